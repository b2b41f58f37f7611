"""Every layer against real Keras: numbers, gradients, state, shapes, configs, dtype policies."""

import keras
import numpy as np
import pytest

import addax
from tests.layers import oracle

pytestmark = pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")

IMAGE = (2, 7, 6, 4)
SERIES = (2, 9, 4)
VOLUME = (2, 5, 4, 6, 2)
FIRST_IMAGE = (2, 4, 7, 6)

# name, constructor arguments, input shape
CASES = [
    ("Dense", (5,), {}, (3, 4)),
    ("Dense", (5,), {"use_bias": False, "activation": "tanh"}, (3, 4)),
    ("Dense", (2,), {"activation": "softmax"}, (2, 3, 4)),
    ("Dense", (1,), {}, (2, 3, 2, 4)),
    ("Activation", ("relu",), {}, (3, 4)),
    ("Activation", ("softmax",), {}, (3, 4)),
    ("Identity", (), {}, (3, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (), {}, (3,)),
    ("Flatten", (), {"data_format": "channels_first"}, (2, 3, 4, 5)),
    ("Reshape", ((2, 6),), {}, (3, 12)),
    ("Reshape", ((-1, 2, 3),), {}, (3, 4, 3)),
    ("Rescaling", (1 / 255.0,), {"offset": -0.5}, IMAGE),
    ("Rescaling", ([0.1, 0.2, 0.3, 0.4],), {"offset": [1.0, 2.0, 3.0, 4.0]}, IMAGE),
    ("Conv2D", (3, 3), {}, IMAGE),
    ("Conv2D", (3, (2, 3)), {"strides": (2, 1), "padding": "same", "activation": "relu"}, IMAGE),
    ("Conv2D", (4, 2), {"dilation_rate": (2, 1), "use_bias": False}, IMAGE),
    ("Conv2D", (6, 3), {"groups": 2, "padding": "same"}, IMAGE),
    ("Conv2D", (3, 3), {"data_format": "channels_first"}, FIRST_IMAGE),
    ("Conv2D", (4, 3), {"data_format": "channels_first", "strides": 2, "padding": "same", "groups": 2}, FIRST_IMAGE),
    ("Conv1D", (3, 3), {}, SERIES),
    ("Conv1D", (3, 3), {"padding": "causal", "dilation_rate": 2}, SERIES),
    ("Conv1D", (3, 3), {"padding": "causal", "data_format": "channels_first"}, (2, 4, 9)),
    ("Conv1D", (3, 2), {"strides": 2, "padding": "same"}, SERIES),
    ("Conv3D", (3, 2), {}, VOLUME),
    ("Conv3D", (3, (1, 2, 3)), {"strides": (1, 2, 2), "padding": "same"}, VOLUME),
    ("Conv3D", (3, 2), {"data_format": "channels_first"}, (2, 2, 5, 4, 6)),
    ("Conv2DTranspose", (3, 3), {}, IMAGE),
    ("Conv2DTranspose", (3, (2, 3)), {"strides": (2, 1), "padding": "same", "activation": "relu"}, IMAGE),
    ("Conv2DTranspose", (3, 2), {"strides": 3, "use_bias": False}, IMAGE),
    ("Conv2DTranspose", (3, 3), {"strides": 2, "output_padding": (1, 0)}, IMAGE),
    ("Conv2DTranspose", (3, 3), {"strides": 2, "output_padding": 1, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", (3, 3), {"dilation_rate": 2}, IMAGE),
    ("Conv2DTranspose", (3, 3), {"data_format": "channels_first", "strides": 2, "padding": "same"}, FIRST_IMAGE),
    ("Conv1DTranspose", (3, 3), {}, SERIES),
    ("Conv1DTranspose", (3, 2), {"strides": 2, "padding": "same", "data_format": "channels_first"}, SERIES),
    ("Conv3DTranspose", (3, 2), {}, VOLUME),
    ("Conv3DTranspose", (3, (1, 2, 3)), {"strides": (1, 2, 2), "padding": "same"}, VOLUME),
    ("DepthwiseConv2D", (3,), {}, IMAGE),
    ("DepthwiseConv2D", ((2, 3),), {"strides": 2, "padding": "same", "depth_multiplier": 2}, IMAGE),
    ("DepthwiseConv2D", (2,), {"dilation_rate": 2, "activation": "tanh", "use_bias": False}, IMAGE),
    ("DepthwiseConv2D", (3,), {"data_format": "channels_first", "depth_multiplier": 2}, FIRST_IMAGE),
    ("DepthwiseConv1D", (3,), {"depth_multiplier": 2}, SERIES),
    ("DepthwiseConv1D", (3,), {"strides": 2, "padding": "same", "data_format": "channels_first"}, SERIES),
    ("SeparableConv2D", (3, 3), {}, IMAGE),
    ("SeparableConv2D", (3, (2, 3)), {"strides": 2, "padding": "same", "depth_multiplier": 2}, IMAGE),
    ("SeparableConv2D", (3, 2), {"data_format": "channels_first", "dilation_rate": 2}, FIRST_IMAGE),
    ("SeparableConv1D", (3, 3), {"depth_multiplier": 2, "activation": "relu"}, SERIES),
    ("SeparableConv1D", (3, 3), {"strides": 2, "padding": "same", "use_bias": False}, SERIES),
    ("MaxPooling2D", (), {}, IMAGE),
    ("MaxPooling2D", (3,), {"strides": 2, "padding": "same"}, IMAGE),
    ("MaxPooling2D", ((2, 3),), {"strides": 1, "data_format": "channels_first"}, FIRST_IMAGE),
    ("MaxPooling1D", (), {}, SERIES),
    ("MaxPooling1D", (3,), {"strides": 2, "padding": "same"}, SERIES),
    ("MaxPooling3D", (), {}, VOLUME),
    ("AveragePooling2D", (2,), {}, IMAGE),
    ("AveragePooling2D", (3,), {"strides": 2, "padding": "same"}, IMAGE),
    ("AveragePooling2D", (2,), {"data_format": "channels_first"}, FIRST_IMAGE),
    ("AveragePooling1D", (3,), {"strides": 1, "padding": "same"}, SERIES),
    ("AveragePooling3D", (2,), {}, VOLUME),
    ("AdaptiveAveragePooling1D", (4,), {}, SERIES),
    ("AdaptiveAveragePooling2D", ((3, 4),), {}, IMAGE),
    ("AdaptiveAveragePooling2D", (9,), {"data_format": "channels_first"}, FIRST_IMAGE),
    ("AdaptiveAveragePooling3D", (2,), {}, VOLUME),
    ("AdaptiveMaxPooling1D", (4,), {"data_format": "channels_first"}, SERIES),
    ("AdaptiveMaxPooling2D", ((3, 4),), {}, IMAGE),
    ("AdaptiveMaxPooling3D", ((2, 3, 1),), {}, VOLUME),
    ("GlobalAveragePooling1D", (), {}, SERIES),
    ("GlobalAveragePooling2D", (), {}, IMAGE),
    ("GlobalAveragePooling2D", (), {"keepdims": True, "data_format": "channels_first"}, FIRST_IMAGE),
    ("GlobalAveragePooling3D", (), {}, VOLUME),
    ("GlobalMaxPooling1D", (), {"keepdims": True}, SERIES),
    ("GlobalMaxPooling2D", (), {}, IMAGE),
    ("GlobalMaxPooling3D", (), {"data_format": "channels_first"}, VOLUME),
    ("BatchNormalization", (), {}, IMAGE),
    ("BatchNormalization", (), {"center": False, "momentum": 0.7}, (6, 4)),
    ("BatchNormalization", (), {"scale": False, "epsilon": 0.1}, SERIES),
    ("BatchNormalization", (), {"axis": 1}, FIRST_IMAGE),
    ("BatchNormalization", (), {"renorm": True, "renorm_momentum": 0.8}, (6, 4)),
    (
        "BatchNormalization",
        (),
        {"renorm": True, "renorm_clipping": {"rmax": 1.2, "rmin": 0.8, "dmax": 0.3}, "momentum": 0.9},
        SERIES,
    ),
    ("LayerNormalization", (), {}, SERIES),
    ("LayerNormalization", (), {"axis": [1, 2], "epsilon": 0.1, "center": False}, SERIES),
    ("LayerNormalization", (), {"axis": 1, "scale": False}, SERIES),
    ("LayerNormalization", (), {"axis": (1, -1)}, SERIES),
    ("LayerNormalization", (), {"rms_scaling": True, "axis": 2}, SERIES),
    ("RMSNormalization", (), {}, SERIES),
    ("RMSNormalization", (), {"axis": [1, 2], "epsilon": 0.1}, SERIES),
    ("GroupNormalization", (2,), {}, IMAGE),
    ("GroupNormalization", (4,), {"axis": 1, "scale": False}, FIRST_IMAGE),
    ("GroupNormalization", (-1,), {"center": False, "epsilon": 0.1}, SERIES),
    ("GroupNormalization", (1,), {}, (3, 4)),
    ("UnitNormalization", (), {}, SERIES),
    ("UnitNormalization", (), {"axis": [1, 2]}, SERIES),
    ("ReLU", (), {}, (3, 4)),
    ("ReLU", (2.0,), {"negative_slope": 0.1, "threshold": 0.5}, (3, 4)),
    ("LeakyReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.01,), {}, (3, 4)),
    ("PReLU", (), {}, SERIES),
    ("PReLU", (), {"shared_axes": [1, 2]}, IMAGE),
    ("ELU", (), {"alpha": 0.7}, (3, 4)),
    ("Softmax", (), {}, (3, 4)),
    ("Softmax", (), {"axis": [1, 2]}, SERIES),
    ("Embedding", (7, 3), {}, (2, 5)),
    ("Embedding", (7, 3), {"mask_zero": True, "embeddings_initializer": "ones"}, (2, 5, 2)),
    ("Masking", (), {}, SERIES),
    ("Permute", ((2, 1),), {}, SERIES),
    ("Permute", ((3, 1, 2),), {}, IMAGE),
    ("RepeatVector", (3,), {}, (2, 4)),
    ("ActivityRegularization", (), {"l1": 0.1, "l2": 0.2}, (3, 4)),
    ("UpSampling1D", (), {}, SERIES),
    ("UpSampling2D", (), {}, IMAGE),
    ("UpSampling2D", ((2, 3),), {"interpolation": "bilinear"}, IMAGE),
    ("UpSampling2D", ((3, 1),), {"interpolation": "bicubic", "data_format": "channels_first"}, FIRST_IMAGE),
    ("UpSampling2D", (2,), {"interpolation": "lanczos3"}, IMAGE),
    ("UpSampling2D", (3,), {"interpolation": "lanczos5"}, IMAGE),
    ("UpSampling2D", ((1, 2),), {"data_format": "channels_first"}, FIRST_IMAGE),
    ("UpSampling3D", (), {}, VOLUME),
    ("UpSampling3D", ((1, 2, 3),), {"data_format": "channels_first"}, VOLUME),
    ("ZeroPadding1D", (), {}, SERIES),
    ("ZeroPadding1D", ((0, 2),), {"data_format": "channels_first"}, SERIES),
    ("ZeroPadding2D", (), {}, IMAGE),
    ("ZeroPadding2D", ((1, 2),), {}, IMAGE),
    ("ZeroPadding2D", (((0, 1), (2, 3)),), {"data_format": "channels_first"}, FIRST_IMAGE),
    ("ZeroPadding3D", (2,), {}, VOLUME),
    ("ZeroPadding3D", ((1, (0, 2), 0),), {"data_format": "channels_first"}, VOLUME),
    ("Cropping1D", (), {}, SERIES),
    ("Cropping1D", ((0, 3),), {}, SERIES),
    ("Cropping2D", (), {}, IMAGE),
    ("Cropping2D", (((1, 2), (0, 3)),), {}, IMAGE),
    ("Cropping2D", ((1, 2),), {"data_format": "channels_first"}, FIRST_IMAGE),
    ("Cropping3D", (1,), {}, (2, 5, 4, 3, 2)),
    ("Cropping3D", (((1, 0), 1, (0, 1)),), {"data_format": "channels_first"}, VOLUME),
    ("GaussianNoise", (0.5,), {"seed": 5}, (4, 6)),
    ("GaussianNoise", (0.0,), {}, (4, 6)),
    ("GaussianDropout", (0.3,), {"seed": 5}, (4, 6)),
    ("AlphaDropout", (0.4,), {"seed": 5}, (4, 6)),
    ("AlphaDropout", (0.4,), {"seed": 5, "noise_shape": (None, 1)}, (4, 6)),
    ("SpatialDropout1D", (0.4,), {"seed": 5}, SERIES),
    ("SpatialDropout2D", (0.4,), {"seed": 5}, IMAGE),
    ("SpatialDropout2D", (0.4,), {"seed": 5, "data_format": "channels_first"}, FIRST_IMAGE),
    ("SpatialDropout3D", (0.4,), {"seed": 5}, VOLUME),
    ("Dropout", (0.3,), {"seed": 5}, (4, 6)),
    ("Dropout", (0.5,), {"seed": 5, "noise_shape": (None, 1)}, (4, 6)),
    ("Dropout", (0.0,), {}, (4, 6)),
]


def _id(case):
    name, args, kwargs, shape = case
    return f"{name}-{args}-{kwargs}-{shape}".replace(" ", "")


def _input(shape, seed=1):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype("float32")


def _input_of(case):
    name, args, _, shape = case
    return np.random.default_rng(1).integers(0, args[0], shape) if name == "Embedding" else _input(shape)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_numbers_gradients_and_state(case):
    name, args, kwargs, _ = case
    ours, theirs = oracle.pair(name, *args, **kwargs)
    x = _input_of(case)
    oracle.build_alike(ours, theirs, x)
    takes_training = name in ("Dense", "BatchNormalization", "GaussianNoise") or "Dropout" in name
    modes = [{"training": False}, {"training": True}, {}] if takes_training else [{}]
    for mode in modes:
        # Second derivatives of the statistics make the gradients of normalization the least exact.
        oracle.assert_alike(ours, theirs, x, rtol=1e-4, atol=2e-5, **mode)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_config(case):
    name, args, kwargs, shape = case
    ours, theirs = oracle.pair(name, *args, **kwargs)
    assert oracle.config_of(ours) == oracle.config_of(theirs)
    assert list(ours.get_config()) == list(theirs.get_config())
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    assert ours.built == theirs.built
    assert ours.supports_masking == theirs.supports_masking
    assert str(ours.input_spec) == str(theirs.input_spec)
    ours.build(shape)
    theirs.build(shape)
    assert ours.get_build_config() == theirs.get_build_config()
    assert [w.path.split("/")[1:] for w in ours.variables] == [w.path.split("/")[1:] for w in theirs.variables]


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_shapes_with_unknown_batch(case):
    name, args, kwargs, shape = case
    unknown = (None, *shape[1:])
    ours, theirs = oracle.pair(name, *args, **kwargs)
    assert ours.compute_output_shape(unknown) == tuple(theirs.compute_output_shape(unknown))
    assert ours.built == theirs.built
    y, expected = ours(addax.Input(shape[1:])), theirs(keras.Input(shape[1:]))
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    assert ours.get_build_config() == theirs.get_build_config()


@pytest.mark.parametrize("case", [case for case in CASES if len(case[3]) > 2], ids=_id)
def test_shapes_with_unknown_sizes(case):
    """Images and sequences of any size: only the channels are known."""
    name, args, kwargs, shape = case
    unknown = (None,) * (len(shape) - 2)
    first = kwargs.get("data_format") == "channels_first" or kwargs.get("axis") == 1
    shape = (shape[1], *unknown) if first else (*unknown, shape[-1])
    ours, theirs = oracle.pair(name, *args, **kwargs)
    try:
        expected = tuple(theirs(keras.Input(shape)).shape)
    except ValueError as error:  # weights as large as the input
        assert "fully-defined" in str(error)
        with pytest.raises(ValueError, match="fully-defined"):
            ours(addax.Input(shape))
    else:
        assert ours(addax.Input(shape)).shape == expected


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_dtype_policies(name, policy):
    case = next(case for case in CASES if case[0] == name)
    _, args, kwargs, _ = case
    ours, theirs = oracle.pair(name, *args, **{**kwargs, "dtype": policy})
    x = _input_of(case)
    oracle.build_alike(ours, theirs, x)
    assert [w.dtype for w in ours.weights] == [w.dtype for w in theirs.weights]
    y, expected = ours(x), theirs(x)
    assert str(y.dtype) == str(expected.dtype)
    # Two or three roundings to 8 (bfloat16) or 11 (float16) bits of numbers that grow to about 30.
    tolerance = 0.04 if "bfloat16" in policy else 0.005
    expected = oracle.numpy_of(expected)
    np.testing.assert_allclose(oracle.numpy_of(y), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_interpolated_integers_are_rounded(dtype):
    ours, theirs = oracle.pair("UpSampling2D", 2, interpolation="bilinear")
    x = np.array([0, 10, 25, 7], dtype).reshape(1, 2, 2, 1)
    y, expected = ours(x), theirs(x)
    assert y.dtype == str(expected.dtype)
    np.testing.assert_array_equal(oracle.numpy_of(y), oracle.numpy_of(expected))


def test_everything_dropped():
    x = np.ones((2, 3), "float32")
    assert addax.layers.AlphaDropout(1.0)(x, training=True).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = np.random.default_rng(0).normal(size=200_000).astype("float32")
    y = addax.layers.AlphaDropout(rate, seed=3)(x, training=True).numpy()
    assert abs(y.mean()) < 0.01 and abs(y.std() - 1) < 0.01  # about three standard errors


def test_dropout_masks_are_those_of_keras():
    ours, theirs = oracle.pair("Dropout", 0.4, seed=11)
    x = np.ones((5, 7), "float32")
    for _ in range(3):
        assert oracle.numpy_of(ours(x, training=True)).tolist() == oracle.numpy_of(theirs(x, training=True)).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64", "float16"])
def test_rescaling_takes_any_numbers(dtype):
    x = np.arange(12).reshape(3, 4).astype(dtype)
    ours, theirs = oracle.pair("Rescaling", 0.5, offset=1.0)
    y = ours(x)
    assert y.dtype == "float32"
    np.testing.assert_array_equal(oracle.numpy_of(y), oracle.numpy_of(theirs(x)))


def test_batch_normalization_with_a_mask():
    ours, theirs = oracle.pair("BatchNormalization", momentum=0.5)
    x = _input((4, 3, 2))
    mask = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], bool)
    oracle.build_alike(ours, theirs, x)
    y, expected = ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask)
    np.testing.assert_allclose(oracle.numpy_of(y), oracle.numpy_of(expected), rtol=1e-4, atol=1e-5)
    for v, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(oracle.numpy_of(v), oracle.numpy_of(other), rtol=1e-5, err_msg=v.path)


@pytest.mark.parametrize("axis,mask_shape", [(-1, (3, 4)), (-1, (4,)), ([1, 2], (2, 3, 4)), (1, (2, 3, 1))])
def test_softmax_with_a_mask(axis, mask_shape):
    ours, theirs = oracle.pair("Softmax", axis=axis)
    mask = np.random.default_rng(5).uniform(size=mask_shape) < 0.5
    mask[0] = False
    oracle.assert_alike(ours, theirs, _input((2, 3, 4)), mask=mask)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_softmax_leaves_out_masked_numbers_of_half_precision(dtype):
    ours, theirs = oracle.pair("Softmax", dtype=dtype)
    x, mask = np.array([[-300.0, -299.0, 40.0]], "float32"), np.array([[True, True, False]])
    expected = oracle.numpy_of(theirs(x, mask=mask))
    np.testing.assert_allclose(oracle.numpy_of(ours(x, mask=mask)), expected, rtol=0.01)


def test_leaky_relu_takes_the_old_name():
    with pytest.warns(UserWarning, match="Argument `alpha` is deprecated"):
        assert addax.layers.LeakyReLU(alpha=0.1).negative_slope == 0.1


def test_frozen_batch_normalization_uses_moving_averages():
    layer = addax.layers.BatchNormalization()
    x = _input((4, 3))
    layer.build(x.shape)
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_array_equal(layer(x, training=True).numpy(), layer(x, training=False).numpy())
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_global_average_pooling_with_a_mask():
    ours, theirs = oracle.pair("GlobalAveragePooling1D")
    x, mask = _input((2, 4, 3)), np.array([[1, 1, 0, 0], [1, 0, 1, 1]], bool)
    np.testing.assert_allclose(oracle.numpy_of(ours(x, mask=mask)), oracle.numpy_of(theirs(x, mask=mask)), rtol=1e-6)


@pytest.mark.parametrize(
    "name,args,kwargs",
    [
        ("Dense", (3,), {"kernel_regularizer": "l2", "bias_regularizer": "l1"}),
        ("Dense", (3,), {"activity_regularizer": "l2"}),
        ("ActivityRegularization", (), {}),
        ("ActivityRegularization", (), {"l1": 0.1, "l2": 0.2}),
        ("Conv2D", (3, 2), {"kernel_regularizer": "l1", "activity_regularizer": "l2"}),
        ("BatchNormalization", (), {"gamma_regularizer": "l2", "beta_regularizer": "l1"}),
    ],
)
def test_regularization_losses(name, args, kwargs):
    ours, theirs = oracle.pair(name, *args, **kwargs)
    x = _input(IMAGE if name == "Conv2D" else (3, 4))
    oracle.build_alike(ours, theirs, x)
    ours(x)
    theirs(x)
    assert len(ours.losses) == len(theirs.losses)
    for one, other in zip(ours.losses, theirs.losses, strict=True):
        np.testing.assert_allclose(float(one), float(other), rtol=1e-5)


# What real Keras says must be said here too; each pair is what is done and a part of the message.
ERRORS = [
    ("Dense", lambda L: L.Dense(-3), "Received an invalid value for `units`, expected a positive integer"),
    ("Dense", lambda L: L.Dense(2.5), "Received an invalid value for `units`, expected a positive integer"),
    ("Dense", lambda L: L.Dense(2, foo=1), "Unrecognized keyword arguments passed to Dense: {'foo': 1}"),
    ("Dense", lambda L: L.Dense(2, activation="nope"), "Could not interpret activation function identifier: "),
    ("Dense", lambda L: L.Dense(2)(np.ones(3)), "expected min_ndim=2, found ndim=1. Full shape received: (3,)"),
    ("Dense", lambda L: _twice(L.Dense(2), (2, 4), (2, 5)), "expected axis -1 of input shape to have value 4"),
    ("Conv2D", lambda L: L.Conv2D(0, 3), "Invalid value for argument `filters`. Expected a strictly positive value"),
    ("Conv2D", lambda L: L.Conv2D(4, 0), "The `kernel_size` argument must be a tuple of 2 integers"),
    ("Conv2D", lambda L: L.Conv2D(4, (3, 3, 3)), "The `kernel_size` argument must be a tuple of 2 integers"),
    ("Conv2D", lambda L: L.Conv2D(4, 3, strides=0), "The `strides` argument must be a tuple of 2 integers"),
    ("Conv2D", lambda L: L.Conv2D(4, 3, padding="foo"), "The `padding` argument must be"),
    ("Conv2D", lambda L: L.Conv2D(4, 3, padding="causal"), "The `padding` argument must be"),
    (
        "Conv2D",
        lambda L: L.Conv2D(4, 3, strides=2, dilation_rate=2),
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
    ),
    ("Conv2D", lambda L: L.Conv2D(4, 3, groups=3), "must be evenly divisible by the number of groups"),
    ("Conv2D", lambda L: L.Conv2D(4, 3, groups=0), "The number of groups must be a positive integer"),
    ("Conv2D", lambda L: L.Conv2D(4, 3)(np.ones((2, 5, 5))), "expected min_ndim=4, found ndim=3"),
    (
        "Conv2D",
        lambda L: L.Conv2D(4, 3, groups=2)(np.ones((2, 5, 5, 3))),
        "The number of input channels must be evenly",
    ),
    ("Conv2D", lambda L: _twice(L.Conv2D(1, 1), (2, 4, 4, 3), (2, 4, 4, 2)), "expected axis -1 of input shape"),
    ("Conv2DTranspose", lambda L: L.Conv2DTranspose(0, 3), "Invalid value for argument `filters`. Expected a strictly"),
    ("Conv2DTranspose", lambda L: L.Conv2DTranspose(3, 3, padding="causal"), "The `padding` argument must be"),
    (
        "Conv2DTranspose",
        lambda L: L.Conv2DTranspose(4, 3, strides=2, dilation_rate=2),
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
    ),
    (
        "Conv2DTranspose",
        lambda L: L.Conv2DTranspose(4, 3, strides=2, output_padding=2)(np.ones((2, 5, 5, 3))),
        "`output_padding` must be strictly less than `strides` for all dimensions. At dimension 0, ",
    ),
    ("Conv2DTranspose", lambda L: L.Conv2DTranspose(4, 3, output_padding=-1), "do not satisfy `value >= 0`"),
    ("DepthwiseConv2D", lambda L: L.DepthwiseConv2D(3, depth_multiplier=0), "Invalid value for argument `depth_multi"),
    (
        "DepthwiseConv2D",
        lambda L: _twice(L.DepthwiseConv2D(1), (2, 4, 4, 3), (2, 4, 4, 2)),
        "expected axis -1 of input",
    ),
    ("SeparableConv2D", lambda L: L.SeparableConv2D(0, 3), "Invalid value for argument `filters`. Expected a strictly"),
    ("MaxPooling2D", lambda L: L.MaxPooling2D(0), "The `pool_size` argument must be a tuple of 2 integers"),
    ("MaxPooling2D", lambda L: L.MaxPooling2D("a"), "The `pool_size` argument must be a tuple of 2 integers"),
    ("MaxPooling2D", lambda L: L.MaxPooling2D()(np.ones((2, 5))), "expected ndim=4, found ndim=2"),
    ("Dropout", lambda L: L.Dropout(1.1), "Invalid value received for argument `rate`"),
    ("Dropout", lambda L: L.Dropout(0.1, noise_shape=3), "Invalid value received for argument `noise_shape`"),
    ("Dropout", lambda L: L.Dropout(0.1, noise_shape=("a",)), "Received element at index 0: a"),
    ("GaussianNoise", lambda L: L.GaussianNoise(-1), "Invalid value received for argument `stddev`"),
    ("GaussianDropout", lambda L: L.GaussianDropout(-0.1), "Invalid value received for argument `rate`"),
    ("AlphaDropout", lambda L: L.AlphaDropout(1.2), "Invalid value received for argument `rate`"),
    ("SpatialDropout2D", lambda L: L.SpatialDropout2D(1.5), "Invalid value received for argument `rate`"),
    ("SpatialDropout2D", lambda L: L.SpatialDropout2D(0.5)(np.ones((2, 3, 4))), "expected ndim=4, found ndim=3"),
    ("UpSampling1D", lambda L: L.UpSampling1D((2,)), "Expected an integer value for `size`, got"),
    ("UpSampling1D", lambda L: L.UpSampling1D(0), "Argument `size` should be a positive integer"),
    ("UpSampling2D", lambda L: L.UpSampling2D((1, 2, 3)), "The `size` argument must be a tuple of 2 integers"),
    ("ZeroPadding1D", lambda L: L.ZeroPadding1D((1, 2, 3)), "The `padding` argument must be a tuple of 2 integers"),
    ("ZeroPadding1D", lambda L: L.ZeroPadding1D(-1), "that do not satisfy `value >= 0`"),
    ("ZeroPadding2D", lambda L: L.ZeroPadding2D((1, 2, 3)), "`padding` should have two elements. Received: padding="),
    ("ZeroPadding2D", lambda L: L.ZeroPadding2D("a"), "`padding` should have two elements. Received: padding="),
    (
        "ZeroPadding2D",
        lambda L: L.ZeroPadding2D(((1, 2, 3), 1)),
        "The `1st entry of padding` argument must be a tuple of",
    ),
    ("ZeroPadding3D", lambda L: L.ZeroPadding3D((1, 2)), "`padding` should have 3 elements"),
    ("Cropping1D", lambda L: L.Cropping1D((1, 2, 3)), "The `cropping` argument must be a tuple of 2 integers"),
    ("Cropping1D", lambda L: L.Cropping1D(2)(np.ones((1, 4, 3))), "`cropping` parameter of `Cropping1D` layer must be"),
    ("Cropping2D", lambda L: L.Cropping2D(-1), "`cropping` cannot be negative. Received: cropping=-1."),
    ("Cropping2D", lambda L: L.Cropping2D(2)(np.ones((1, 4, 5, 3))), "Values in `cropping` argument should be smaller"),
    ("Cropping3D", lambda L: L.Cropping3D((1, 2)), "`cropping` should have 3 elements"),
    ("Reshape", lambda L: L.Reshape((-1, -1)), "There must be at most one unknown dimension (-1) in `target_shape`"),
    ("Reshape", lambda L: L.Reshape((3, 5))(np.ones((2, 4))), "The total size of the tensor must be unchanged"),
    ("Flatten", lambda L: L.Flatten()(np.float32(3)), "expected min_ndim=1, found ndim=0"),
    ("Activation", lambda L: L.Activation("nope"), "Could not interpret activation function identifier: "),
    (
        "BatchNormalization",
        lambda L: L.BatchNormalization(renorm=True, renorm_clipping={"foo": 1}),
        "Received invalid keys for `renorm_clipping` argument",
    ),
    ("LayerNormalization", lambda L: L.LayerNormalization(axis="a"), "Expected an int or a list/tuple of ints for the"),
    ("GroupNormalization", lambda L: L.GroupNormalization(0), "Received an invalid value for argument `groups`"),
    ("GroupNormalization", lambda L: L.GroupNormalization(3)(np.ones((2, 4))), "must be a multiple of the number of"),
    (
        "GroupNormalization",
        lambda L: L.GroupNormalization(8)(np.ones((2, 4))),
        "cannot be more than the number of chan",
    ),
    ("GroupNormalization", lambda L: L.GroupNormalization(2).build((2, None)), "should have a defined dimension but"),
    (
        "UnitNormalization",
        lambda L: L.UnitNormalization(axis="a"),
        "Invalid value for `axis` argument: expected an int",
    ),
    ("ReLU", lambda L: L.ReLU(max_value=-1), "max_value of a ReLU layer cannot be a negative value"),
    ("ReLU", lambda L: L.ReLU(negative_slope=-1), "negative_slope of a ReLU layer cannot be None or a negative value"),
    ("ReLU", lambda L: L.ReLU(threshold=None), "threshold of a ReLU layer cannot be None or a negative value"),
    ("LeakyReLU", lambda L: L.LeakyReLU(-0.2), "The negative_slope value of a Leaky ReLU layer cannot be None or neg"),
    ("PReLU", lambda L: _twice(L.PReLU(shared_axes=1), (2, 3, 4), (2, 3, 5)), "expected axis 2 of input shape to have"),
    (
        "Softmax",
        lambda L: L.Softmax()(np.ones((2, 3, 4)), mask=np.ones((2, 3), bool)),
        "The `mask` must be broadcastable to `inputs`",
    ),
    ("Permute", lambda L: L.Permute((0, 1)), "Invalid permutation argument `dims` for Permute Layer"),
    ("Permute", lambda L: L.Permute((2, 1))(np.ones((2, 3))), "expected ndim=3, found ndim=2"),
    ("RepeatVector", lambda L: L.RepeatVector(2.5), "Expected an integer value for `n`, got"),
    ("RepeatVector", lambda L: L.RepeatVector(0)(np.ones((2, 3))), "Argument `n` should be a positive integer"),
    (
        "Embedding",
        lambda L: L.Embedding(0, 2)(np.ones(2)),
        "`input_dim` must be a positive integer. Received: input_dim",
    ),
    ("Input", lambda L: L.Input(), "You must pass a `shape` argument."),
    ("Input", lambda L: L.Input(shape=(4,), batch_shape=(1, 4)), "You cannot pass both `shape` and `batch_shape`"),
    ("InputLayer", lambda L: L.InputLayer(input_tensor=3), "Argument `input_tensor` must be a KerasTensor"),
]


def _twice(layer, first, second):
    layer(np.ones(first, "float32"))
    layer(np.ones(second, "float32"))


@pytest.mark.parametrize("name,action,message", ERRORS, ids=[f"{e[0]}-{i}" for i, e in enumerate(ERRORS)])
def test_errors_say_what_keras_says(name, action, message):
    with pytest.raises((ValueError, TypeError)) as theirs:
        action(keras.layers)
    assert message in str(theirs.value)
    with pytest.raises(type(theirs.value)) as ours:
        action(addax.layers)
    assert message in str(ours.value)


@pytest.mark.parametrize(
    "action,message",
    [
        (lambda L: L.Dense(2, lora_rank=2), "`lora_rank` is not supported"),
        (lambda L: L.Dense(2, quantization_config={}), "`quantization_config` is not supported"),
        (lambda L: L.Conv2D(2, 3, lora_rank=2), "LoRA is not supported"),
        (lambda L: L.BatchNormalization(synchronized=True), "synchronized=True is not supported"),
        (lambda L: L.BatchNormalization(axis=7)(np.ones((2, 3))), "axis=7 is out of range for inputs of shape (2, 3)"),
        (lambda L: L.Conv2D(4, 3)(addax.Input((5, 5, None))), "the channel axis of the inputs must be known"),
        (lambda L: L.Input((3,), sparse=True), "only dense tensors"),
        (lambda L: L.UpSampling2D(interpolation="cubist"), "expected one of ('nearest', 'bilinear', "),
        (lambda L: L.GaussianDropout(1.0), "no finite variance"),
        (lambda L: L.Embedding(2, 3, lora_rank=2), "`lora_rank` is not supported"),
        (lambda L: L.LayerNormalization(axis=4)(np.ones((2, 3))), "axis=4 is out of range for inputs of shape (2, 3)"),
    ],
)
def test_errors_of_our_own(action, message):
    with pytest.raises(ValueError) as error:
        action(addax.layers)
    assert message in str(error.value)
