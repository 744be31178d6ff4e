#!/usr/bin/env bash
# The paper's recipe on two machines of two GPUs. The same command on both, with the
# address of the first; whoever comes first waits for the other.
#   RDZV=first-machine:29400 bash runs/two_machines.sh
export NODES=2 GPUS=${GPUS:-2} RDZV=${RDZV:?name the first machine: RDZV=HOST:PORT}
export WORK=${WORK:-runs/two_machines}
exec bash "$(dirname "$0")/paper.sh"
