#!/usr/bin/env bash
# The released scripts' small recipe, for one GPU (one RTX 3090: 60, 15 and 15 minutes).
#   bash runs/released_mini.sh
RECIPE_GPUS=1
source "$(dirname "$0")/stages.sh"
#     name             mode         set      rate  epochs batch context
stage t2a              t2a          sft_t2a  5e-4  1      40    512
stage a2a_projector    audio_proj   sft_a2a  5e-4  1      40    640
stage a2a              all          sft_a2a  2e-5  1      16    768
