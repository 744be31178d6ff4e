#!/usr/bin/env bash
# The paper's recipe (arXiv 2605.03937, four RTX 3090: 45, 25, 75, 45 and 45 minutes).
#   GPUS=4 bash runs/paper.sh          GPUS=1 bash runs/paper.sh
source "$(dirname "$0")/stages.sh"
#     name             mode         set      rate  epochs batch context
stage t2a              t2a          sft_t2a  5e-6  1      32    512
stage a2a_projector    audio_proj   sft_a2a  5e-4  1      32    1024
stage a2a              all          sft_a2a  5e-5  3      32    1024
stage i2t_projector    vision_proj  sft_i2t  5e-5  1      32    768
stage i2t              all          sft_i2t  5e-6  1      32    768
