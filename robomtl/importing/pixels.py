"""Decodes images that are stored one by one, as PNG or JPEG."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from robomtl.camera import Picture
from robomtl.errors import InputError


def decoded(content: object, where: str, shape: tuple[int, ...]) -> Picture:
    """The pixels of a PNG or JPEG; (height, width, 3).

    Args:
        content: Bytes of the image.
        where: File, column and row, for messages.
        shape: Expected shape, (height, width, 3).

    Raises:
        InputError: If the image is damaged, is neither PNG nor JPEG, or has another size,
            which is read before anything is decoded.
    """
    if not isinstance(content, bytes):
        raise InputError(f"{where} has no image.")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if (image.height, image.width) != shape[:2]:
                raise InputError(
                    f"{where} has an image of {image.height} x {image.width}, and the data"
                    f" set declares {shape[0]} x {shape[1]}."
                )
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise InputError(
            f"{where} has a damaged image, neither PNG nor JPEG."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{where} has a damaged image: {error}.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{where} has an image that is too large: {error}") from error
