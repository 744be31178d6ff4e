# What the recipes of this folder have in common; they source it.
#
#   GPUS=4          processes on this machine (default 1)
#   DATA=folder     with sft_t2a, sft_a2a and sft_i2t: train*.parquet, validation.parquet
#                   (default ASSETS)
#   ASSETS=folder   with sensevoice, siglip2, tokenizer and llm, or the word `released`
#                   (default $MINIMIND_O_ASSETS, else data/nano)
#   WORK=folder     for checkpoints and models (default runs/NAME_OF_RECIPE)
#   NODES, RDZV     machines, and HOST:PORT of the first one, where there are several
#   PLAN=--dry-run  print each stage's plan instead of training
#
# A global batch is what the recipe's four GPUs would make, whatever GPUS is. A stage
# that has ended is passed over; one that was interrupted goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

NAME=$(basename "$0" .sh)
GPUS=${GPUS:-1}
NODES=${NODES:-1}
ASSETS=${ASSETS:-${MINIMIND_O_ASSETS:-data/nano}}
if [ "$ASSETS" = released ] && [ ! -d released ] && [ -z "${DATA:-}" ]; then
  echo "ASSETS=released is no folder: name the rows with DATA, or the folder" >&2
  exit 2
fi
DATA=${DATA:-$ASSETS}
WORK=${WORK:-runs/$NAME}
PLAN=${PLAN:-}
RECIPE_GPUS=${RECIPE_GPUS:-4}
INIT=  # the assets' llm
ACCUMULATE=$((RECIPE_GPUS / (GPUS * NODES)))
[ "$ACCUMULATE" -ge 1 ] || ACCUMULATE=1

LAUNCH=(torchrun --nproc_per_node "$GPUS")
if [ "$NODES" -gt 1 ]; then
  LAUNCH+=(--nnodes "$NODES" --rdzv_backend c10d --rdzv_endpoint "$RDZV"
    --rdzv_id "$NAME")
else
  LAUNCH+=(--standalone)
fi

# stage NAME MODE SET LEARNING_RATE EPOCHS BATCH_PER_GPU CONTEXT
stage() {
  local folder=$WORK/$1
  if [ ! -e "$folder/model/config.json" ]; then
    "${LAUNCH[@]}" -m minimind_o.training \
      --stage "$1" --mode "$2" --learning-rate "$4" --epochs "$5" \
      --batch-size "$6" --max-length "$7" --accumulate "$ACCUMULATE" \
      --data "$DATA/$3/train*.parquet" --validation "$DATA/$3/validation.parquet" \
      --assets "$ASSETS" ${INIT:+--init "$INIT"} \
      --work "$folder" --guidance-weight 0 $PLAN
  fi
  [ -n "$PLAN" ] || INIT=$folder/model
}
