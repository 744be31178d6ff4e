#!/usr/bin/env bash
# The released scripts' full recipe (four GPUs): other rates than the paper's in the first
# stage, and two stages more.
#   GPUS=4 bash runs/released_full.sh  GPUS=1 bash runs/released_full.sh
source "$(dirname "$0")/stages.sh"
#     name             mode         set      rate  epochs batch context
stage t2a              t2a          sft_t2a  5e-4  6      32    512
stage a2a_projector    audio_proj   sft_a2a  5e-4  1      32    1024
stage a2a              all          sft_a2a  5e-5  3      32    1024
stage i2t_projector    vision_proj  sft_i2t  5e-5  1      32    768
stage i2t              all          sft_i2t  5e-6  1      32    768
stage a2a_2            all          sft_a2a  5e-6  1      32    1024
stage i2t_projector_2  vision_proj  sft_i2t  5e-6  1      32    768
