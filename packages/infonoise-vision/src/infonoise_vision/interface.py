"""How infonoise-vision is spoken to: all that its help says, and nothing that needs torch."""

import infonoise_vision
from infonoise_core.app.interface import Interface
from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision.encoders.options import Encode, Reconstruct
from infonoise_vision.evaluation.options import EvaluateExtras, ProfileExtras, Translate
from infonoise_vision.methods.options import ImageOptions
from infonoise_vision.options import Export, Import, Inpaint, Prepare, Upscale
from infonoise_vision.presets import TRAIN_PRESETS
from infonoise_vision.sampling.options import SampleExtras

_COMMANDS = "infonoise_vision.commands"

INTERFACE = Interface(
    program="infonoise-vision",
    version=infonoise_vision.__version__,
    domain="infonoise_vision.domain:ImageDomain",
    examples="images",
    data="digits",
    data_help="digits (scikit-learn's, 8x8), a folder or archive of images, or hf:NAME",
    options=ImageOptions,
    sampler=SamplerConfig(grid="karras"),
    sample=SampleExtras,
    sample_out="NAME.png for all images in one grid, NAME.npz for one archive, any other name for a"
    " folder of PNGs",
    evaluate=EvaluateExtras,
    splits=("test", "train"),
    split_help="the real images: test for held-out ones, train for those of training, as in"
    " published FIDs; completed images are always compared with those of training",
    profile=ProfileExtras,
    own={
        "prepare": (Prepare, f"{_COMMANDS}.prepare:run_prepare"),
        "export": (Export, f"{_COMMANDS}.export:run_export"),
        "import": (Import, f"{_COMMANDS}.import_model:run_import"),
        "inpaint": (Inpaint, f"{_COMMANDS}.inpaint:run_inpaint"),
        "upscale": (Upscale, f"{_COMMANDS}.inpaint:run_upscale"),
        "encode": (Encode, f"{_COMMANDS}.encode:run_encode"),
        "reconstruct": (Reconstruct, f"{_COMMANDS}.encode:run_reconstruct"),
        "translate": (Translate, f"{_COMMANDS}.translate:run_translate"),
    },
    presets={"train": TRAIN_PRESETS},
    describe={
        "train": "Train a denoiser on images; the same command goes on after an interruption.",
        "sample": "Generate images from a trained run.",
        "evaluate": "Measure a trained run on the images it did not see; writes evaluation.json.",
        "profile": "Show where noise destroys the information of the images.",
    },
)
