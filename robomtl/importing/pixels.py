"""Pictures that are stored one by one, as PNG or JPEG."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from robomtl.camera import Picture
from robomtl.errors import InputError


def decoded(content: object, where: str, shape: tuple[int, ...]) -> Picture:
    """The pixels of a PNG or JPEG; (height, width, 3).

    Args:
        content: Its bytes.
        where: File, column and row, for messages.
        shape: Expected shape, (height, width, 3).

    Raises:
        InputError: If it is damaged, is neither, or has another size. The size is read
            before anything is decoded.
    """
    if not isinstance(content, bytes):
        raise InputError(f"{where} holds no picture.")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if (image.height, image.width) != shape[:2]:
                raise InputError(
                    f"{where} holds a picture of {image.height} x {image.width}, and the"
                    f" data set says {shape[0]} x {shape[1]}."
                )
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise InputError(
            f"{where} holds a damaged picture, neither PNG nor JPEG."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{where} holds a damaged picture: {error}.") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{where} holds a picture that is too large: {error}"
        ) from error
