"""How hard the embedded synthetic data set is."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Difficulty:
    """How hard the identities are to recognise.

    A rate is a probability, everything else a multiplier: 1 is the tuned
    default, 0 switches the effect off.
    """

    pose: float = 1.0  # walking stride, arm swing and lean
    view: float = 1.0  # spread of headings around the camera's usual views
    misalign: float = 1.0  # shift and scale error of the person box
    crop_rate: float = 0.10  # a box loses the feet or the head
    occlusion_rate: float = 0.04  # an object hides the lower body
    noise: float = 1.0  # of the sensor
    blur: float = 1.0  # defocus and motion
    lighting: float = 1.0  # exposure, colour cast and shading
    clutter: float = 1.0  # contrast of the background
    # A print is also seen in the infrared; many dyes are transparent there.
    ir_texture_rate: float = 0.8
    thermal_texture: float = 0.35  # contrast of prints in thermal images
    accessory_drop_rate: float = 0.10  # a bag, scarf or hat is missing
    # 0 draws bodies and prints over their whole range, 1 gives everyone the
    # same body and nearly always plain clothes; cuts, bags, hats differ still.
    sameness: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            top = 1 if name.endswith(('_rate', 'sameness')) else 10
            if not 0 <= value <= top:
                raise ValueError(
                    f'Difficulty.{name}={value!r} must lie in [0, {top}].'
                )

    def to_dict(self) -> dict[str, float]:
        """Return the fields as a plain dict, as stored in the manifest."""
        return {key: float(value) for key, value in asdict(self).items()}
