"""The pretrained network: its logits are those of the original, and its recipe unpickles nothing it does not know."""

import collections
import io
import os
import pickle

import numpy as np
import pytest
from groundup import data
from ownfiles import image_folder

PICTURES = sorted(str(path) for path in data.path("deep_sky").glob("*/*.jpg"))[:176:44]
# Logits of these pictures for classes 0, 111, 522 and 971, from the PyTorch network that the weights come from.
LOGITS = [
    [1.510, 4.763, 0.679, 4.042],
    [0.339, 10.316, -1.136, 1.647],
    [0.522, 9.376, -0.786, 2.652],
    [1.468, 5.493, 0.235, 5.550],
]


@pytest.fixture(scope="module")
def efficientnet():
    from groundup.models import efficientnet

    return efficientnet


def test_logits_are_those_of_the_original(efficientnet):
    pictures = np.stack([image_folder.decode(path, 224) for path in PICTURES])
    logits = efficientnet.load(224, top=True).predict_on_batch(pictures)
    assert logits.shape == (4, 1000)
    np.testing.assert_allclose(logits[:, [0, 111, 522, 971]], LOGITS, atol=0.06)  # weights in half precision
    assert logits.argmax(axis=1).tolist() == [111, 111, 111, 971]


def test_features_are_what_the_classifier_sees_and_any_size_will_do(efficientnet):
    whole = efficientnet.load(64, top=True)
    kernel, bias = whole.get_layer("top").get_weights()
    pictures = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    features = efficientnet.load(64).predict_on_batch(pictures)
    assert features.shape == (2, 1280)
    np.testing.assert_allclose(features @ kernel + bias, whole.predict_on_batch(pictures), atol=1e-3)


def test_the_network_counts_as_published(efficientnet):
    model = efficientnet.network(top=True)
    # 4.65 million in the paper's table of Lite models; folding takes two numbers a channel away
    assert model.count_params() == 4_631_000 and len(efficientnet.STAGES) == 7


def test_weights_that_are_not_there_are_named(efficientnet, monkeypatch, tmp_path):
    (tmp_path / "MANIFEST.json").write_text((data.folder() / "MANIFEST.json").read_text(encoding="utf-8"))
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    with pytest.raises(data.DataError, match=r"efficientnet.*To mend it"):
        efficientnet.load(64)


def torch_file(state, storages):
    """Bytes as torch.save wrote them before its files were archives."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return thing if isinstance(thing, tuple) and thing and thing[0] == "storage" else None

    file = io.BytesIO()
    for thing in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(thing, file, protocol=2)
    Pickler(file, protocol=2).dump(state)
    pickle.dump(list(storages), file, protocol=2)
    for array in storages.values():
        file.write(len(array).to_bytes(8, "little") + array.tobytes())
    return file.getvalue()


def test_a_pickle_that_is_a_program_is_refused(import_recipe, tmp_path):
    recipe = import_recipe("efficientnet")

    class Program:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    with pytest.raises(pickle.UnpicklingError, match="mkdir is none of the things"):
        recipe.tensors(torch_file(collections.OrderedDict(a=Program()), {}))
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="no file of torch"):
        recipe.tensors(pickle.dumps({"a": 1}))
    assert recipe.tensors(torch_file(collections.OrderedDict(), {})) == {}
