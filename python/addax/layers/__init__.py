"""The layers, one file each in the folder of its group.

To add one: write the file, import it here and add it to the table of `saving/registry.py`.
"""

from addax.layers.activations.activation import Activation
from addax.layers.activations.elu import ELU
from addax.layers.activations.leaky_relu import LeakyReLU
from addax.layers.activations.prelu import PReLU
from addax.layers.activations.relu import ReLU
from addax.layers.activations.softmax import Softmax
from addax.layers.attention.additive_attention import AdditiveAttention
from addax.layers.attention.attention import Attention
from addax.layers.attention.grouped_query_attention import GroupedQueryAttention
from addax.layers.attention.multi_head_attention import MultiHeadAttention
from addax.layers.convolutional.conv1d import Conv1D
from addax.layers.convolutional.conv1d_transpose import Conv1DTranspose
from addax.layers.convolutional.conv2d import Conv2D
from addax.layers.convolutional.conv2d_transpose import Conv2DTranspose
from addax.layers.convolutional.conv3d import Conv3D
from addax.layers.convolutional.conv3d_transpose import Conv3DTranspose
from addax.layers.convolutional.depthwise_conv1d import DepthwiseConv1D
from addax.layers.convolutional.depthwise_conv2d import DepthwiseConv2D
from addax.layers.convolutional.separable_conv1d import SeparableConv1D
from addax.layers.convolutional.separable_conv2d import SeparableConv2D
from addax.layers.core.dense import Dense
from addax.layers.core.einsum_dense import EinsumDense
from addax.layers.core.embedding import Embedding
from addax.layers.core.identity import Identity
from addax.layers.core.input_layer import Input, InputLayer
from addax.layers.core.lambda_layer import Lambda
from addax.layers.core.masking import Masking
from addax.layers.core.wrapper import Wrapper
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer
from addax.layers.merging.add import Add, add
from addax.layers.merging.average import Average, average
from addax.layers.merging.concatenate import Concatenate, concatenate
from addax.layers.merging.dot import Dot, dot
from addax.layers.merging.maximum import Maximum, maximum
from addax.layers.merging.minimum import Minimum, minimum
from addax.layers.merging.multiply import Multiply, multiply
from addax.layers.merging.subtract import Subtract, subtract
from addax.layers.normalization.batch_normalization import BatchNormalization
from addax.layers.normalization.group_normalization import GroupNormalization
from addax.layers.normalization.layer_normalization import LayerNormalization
from addax.layers.normalization.rms_normalization import RMSNormalization
from addax.layers.normalization.unit_normalization import UnitNormalization
from addax.layers.pooling.adaptive_average_pooling1d import AdaptiveAveragePooling1D
from addax.layers.pooling.adaptive_average_pooling2d import AdaptiveAveragePooling2D
from addax.layers.pooling.adaptive_average_pooling3d import AdaptiveAveragePooling3D
from addax.layers.pooling.adaptive_max_pooling1d import AdaptiveMaxPooling1D
from addax.layers.pooling.adaptive_max_pooling2d import AdaptiveMaxPooling2D
from addax.layers.pooling.adaptive_max_pooling3d import AdaptiveMaxPooling3D
from addax.layers.pooling.average_pooling1d import AveragePooling1D
from addax.layers.pooling.average_pooling2d import AveragePooling2D
from addax.layers.pooling.average_pooling3d import AveragePooling3D
from addax.layers.pooling.global_average_pooling1d import GlobalAveragePooling1D
from addax.layers.pooling.global_average_pooling2d import GlobalAveragePooling2D
from addax.layers.pooling.global_average_pooling3d import GlobalAveragePooling3D
from addax.layers.pooling.global_max_pooling1d import GlobalMaxPooling1D
from addax.layers.pooling.global_max_pooling2d import GlobalMaxPooling2D
from addax.layers.pooling.global_max_pooling3d import GlobalMaxPooling3D
from addax.layers.pooling.max_pooling1d import MaxPooling1D
from addax.layers.pooling.max_pooling2d import MaxPooling2D
from addax.layers.pooling.max_pooling3d import MaxPooling3D
from addax.layers.preprocessing.rescaling import Rescaling
from addax.layers.regularization.activity_regularization import ActivityRegularization
from addax.layers.regularization.alpha_dropout import AlphaDropout
from addax.layers.regularization.dropout import Dropout
from addax.layers.regularization.gaussian_dropout import GaussianDropout
from addax.layers.regularization.gaussian_noise import GaussianNoise
from addax.layers.regularization.spatial_dropout1d import SpatialDropout1D
from addax.layers.regularization.spatial_dropout2d import SpatialDropout2D
from addax.layers.regularization.spatial_dropout3d import SpatialDropout3D
from addax.layers.reshaping.cropping1d import Cropping1D
from addax.layers.reshaping.cropping2d import Cropping2D
from addax.layers.reshaping.cropping3d import Cropping3D
from addax.layers.reshaping.flatten import Flatten
from addax.layers.reshaping.permute import Permute
from addax.layers.reshaping.repeat_vector import RepeatVector
from addax.layers.reshaping.reshape import Reshape
from addax.layers.reshaping.up_sampling1d import UpSampling1D
from addax.layers.reshaping.up_sampling2d import UpSampling2D
from addax.layers.reshaping.up_sampling3d import UpSampling3D
from addax.layers.reshaping.zero_padding1d import ZeroPadding1D
from addax.layers.reshaping.zero_padding2d import ZeroPadding2D
from addax.layers.reshaping.zero_padding3d import ZeroPadding3D
from addax.layers.rnn.bidirectional import Bidirectional
from addax.layers.rnn.gru import GRU, GRUCell
from addax.layers.rnn.lstm import LSTM, LSTMCell
from addax.layers.rnn.rnn import RNN
from addax.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from addax.layers.rnn.stacked_rnn_cells import StackedRNNCells
from addax.layers.rnn.time_distributed import TimeDistributed

# Keras's other names of the same classes.
Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
GroupQueryAttention = GroupedQueryAttention


def serialize(layer: Layer) -> dict:
    """Returns the config of a layer.

    Args:
        layer: The layer.

    Example:

    >>> addax.layers.serialize(addax.layers.Flatten(name="flat"))["class_name"]
    'Flatten'
    """
    from addax import saving

    return saving.serialize_keras_object(layer)


def deserialize(config: dict, custom_objects: dict | None = None) -> Layer:
    """Makes a layer of its config.

    Args:
        config: What `serialize` returned.
        custom_objects: Further classes and functions by name.

    Raises:
        TypeError: If the class is unknown or the config does not fit it.

    Example:

    >>> config = addax.layers.serialize(addax.layers.Flatten(name="flat"))
    >>> addax.layers.deserialize(config).name
    'flat'
    """
    from addax import saving

    layer = saving.deserialize_keras_object({"module": "keras.layers", **config}, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"layers.deserialize: the config does not describe a layer. Received: {config}")
    return layer


__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
