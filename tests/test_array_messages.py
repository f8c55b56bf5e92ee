import multiprocessing

import numpy as np

from robomtl.acting.array_messages import receive_arrays, send_arrays


def test_arrays_arrive_as_they_were_sent():
    arrays = {
        "image.top": np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)[:, ::-1],
        "state": np.array([[1.5, -0.0]], np.float32),
        "none": np.zeros((3, 0), np.float32),
    }
    ours, theirs = multiprocessing.Pipe()
    send_arrays(ours, arrays)
    received = receive_arrays(theirs)
    assert received.keys() == arrays.keys()
    for name, each in arrays.items():
        assert received[name].dtype == each.dtype
        assert np.array_equal(received[name], each)
