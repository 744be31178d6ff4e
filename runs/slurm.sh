#!/usr/bin/env bash
# The paper's recipe under Slurm, on one machine of four GPUs: sbatch runs/slurm.sh
# A minute before its time is over Slurm sends SIGTERM: the stage saves and ends, and the
# job puts itself into the queue again, to go on from there.
#SBATCH --job-name=minimind-o
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
cd "${SLURM_SUBMIT_DIR:?start it with sbatch}"
source .venv/bin/activate
requeue() {
  pkill -TERM -P "$recipe" || true
  wait "$recipe" || true
  scontrol requeue "$SLURM_JOB_ID"
}
trap requeue TERM
GPUS=4 WORK=runs/paper bash runs/paper.sh &
recipe=$!
wait "$recipe"
