"""kohya-ss/sd-scripts' LoRA trainers, and the demo training, which writes and resumes as they do.

They are resumed from the state of an epoch by ``--resume STATE --initial_epoch N+1``, the one form that was right in
every trial with one process: ``--resume`` alone reads a step count that begins again at each resume, and
``--skip_until_initial_step`` miscounts under gradient accumulation.
"""
