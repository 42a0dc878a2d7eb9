"""What the command of text is made of."""

import infonoise_text
from infonoise_core.app.interface import Interface
from infonoise_core.app.options import CompareConfig
from infonoise_core.training.config import TrainConfig
from infonoise_text import options
from infonoise_text.data.options import EMBEDDED
from infonoise_text.methods.options import TextOptions

# About ten minutes on two cores.
_TRAIN = TrainConfig(
    steps=1500, batch_size=32, lr_schedule="cosine", eval_every=250, save_every=250
)

INTERFACE = Interface(
    program="infonoise-text",
    version=infonoise_text.__version__,
    domain="infonoise_text.domain:TextDomain",
    examples="texts",
    options=TextOptions,
    data=EMBEDDED,
    data_help="prepared folder, text file, folder, pattern of names, archive, hf:NAME, or pydoc"
    " (the documentation inside Python)",
    sample_out="",
    sampler=options.SAMPLER,
    train=_TRAIN,
    compare=CompareConfig(batch_size=32),
    sample=options.SampleExtras,
    evaluate=options.EvaluateExtras,
    profile=options.ProfileExtras,
    samples=4,
    evaluated=64,
    # valid is what val was called before.
    splits=("test", "val", "valid"),
    own={
        "prepare": (options.Prepare, "infonoise_text.commands.prepare:run_prepare"),
        "import": (options.Import, "infonoise_text.commands.import_model:run_import"),
        "complete": (options.Complete, "infonoise_text.commands.complete:run_complete"),
        "infill": (options.Infill, "infonoise_text.commands.complete:run_infill"),
    },
    describe={"sample": "Generate text from nothing."},
)
