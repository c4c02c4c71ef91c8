"""Scripts as users write them: some hand on the checkpoint that they are told, some only look as if they did."""

HF = """
from transformers import HfArgumentParser, Trainer, TrainingArguments
(args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()
checkpoint = None
if args.resume_from_checkpoint is not None:
    checkpoint = args.resume_from_checkpoint
Trainer(model, args).train(resume_from_checkpoint=checkpoint)
"""
HF_DEAF = HF.replace("train(resume_from_checkpoint=checkpoint)", "train()")
HF_ALWAYS = HF.replace("train(resume_from_checkpoint=checkpoint)", "train(resume_from_checkpoint=True)")
HF_OWN_CHOICE = """
from transformers import HfArgumentParser, Trainer, TrainingArguments
(args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()
Trainer(model, args).train(resume_from_checkpoint=get_last_checkpoint(args.output_dir))
"""
HF_WITHOUT_OPTIONS = """
from transformers import Trainer, TrainingArguments
args = TrainingArguments("out", resume_from_checkpoint="out/checkpoint-1")
Trainer(model, args).train(resume_from_checkpoint=args.resume_from_checkpoint)
"""

LIGHTNING_CLI = """
from lightning.pytorch.cli import LightningCLI
LightningCLI(Model, Data)
"""
LIGHTNING_CLI_THAT_DOES_NOT_RUN = LIGHTNING_CLI.replace("Data)", "Data, run=False)")
LIGHTNING = """
parser.add_argument("--ckpt_path")
args = parser.parse_args()
trainer.fit(model, ckpt_path=args.ckpt_path)
"""
LIGHTNING_DEAF = LIGHTNING.replace(", ckpt_path=args.ckpt_path", "")

ACCELERATE = """
parser.add_argument("--resume_from_checkpoint")
args = parser.parse_args()
if args.resume_from_checkpoint:
    accelerator.load_state(args.resume_from_checkpoint)
"""
ACCELERATE_DEAF = ACCELERATE.replace("load_state(args.resume_from_checkpoint)", "load_state()")
