"""The rasters that pdftoppm.py and Ofdrw.java leave for the judges that look at pictures."""

from pathlib import Path

from PIL import Image

from report import RASTER, Licence


def raster(licence: Licence, kind: str, dpi: int) -> Path:
    return RASTER / f"{licence.files[kind].stem}.{kind}-{dpi}.png"


def grey(file: Path) -> Image.Image:
    """The picture on white paper, without colour."""
    picture = Image.open(file)
    if picture.mode in ("RGBA", "LA", "P"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L")
