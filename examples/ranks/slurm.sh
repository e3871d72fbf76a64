#!/bin/bash
# One training on four nodes of a Slurm cluster, one rank on each; `train` is built with `--features mpi` against the cluster's MPI.
#
#   sbatch slurm.sh recipes/mine.yaml
#
# Two minutes before its time is over, or where it is preempted, it writes a checkpoint and is queued again.
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=8:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@120
export RAYON_NUM_THREADS=$SLURM_CPUS_ON_NODE
# A step is given one processor for each task where it does not ask for more.
srun --mpi=pmix --cpus-per-task="$SLURM_CPUS_ON_NODE" train "$1" --resume-or-start shards=8 "${@:2}"
code=$?
# 128 + SIGUSR1, SIGTERM: it was asked to stop, and is not done.
if [ $code -eq 138 ] || [ $code -eq 143 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
