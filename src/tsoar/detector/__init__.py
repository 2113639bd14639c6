"""The detector stage, counts to slopes: one file a step, each callable alone, on any block of integrations."""

from tsoar.detector.dark_current import DarkParams, dark_current
from tsoar.detector.dq_init import dq_init
from tsoar.detector.field_fit import ramp_fit_by_file
from tsoar.detector.field_jump import FieldJumpParams, jump_by_file
from tsoar.detector.jump import JumpParams, jump
from tsoar.detector.linearity import linearity
from tsoar.detector.one_over_f import OneOverFParams, one_over_f, one_over_f_slopes
from tsoar.detector.ramp_fit import RampFitParams, ramp_fit
from tsoar.detector.refpix import RefpixParams, refpix
from tsoar.detector.saturation import SaturationParams, saturation
from tsoar.detector.superbias import superbias

__all__ = [
    "DarkParams",
    "FieldJumpParams",
    "JumpParams",
    "OneOverFParams",
    "RampFitParams",
    "RefpixParams",
    "SaturationParams",
    "dark_current",
    "dq_init",
    "jump",
    "jump_by_file",
    "linearity",
    "one_over_f",
    "one_over_f_slopes",
    "ramp_fit",
    "ramp_fit_by_file",
    "refpix",
    "saturation",
    "superbias",
]
