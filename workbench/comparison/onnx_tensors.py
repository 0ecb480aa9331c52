"""The tensors of an ONNX file, read without an ONNX library: bytes in, arrays and the nodes that use them out.

An ONNX file is a protocol buffer. Only what holds weights is read: the graph's initializers as raw little-endian
floats, and the names, kinds and inputs of its nodes, because exporters rename weights and keep the nodes' names.

Source: the schema of ONNX (onnx.proto3) and the wire format of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Field numbers of onnx.proto3.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_NAME, _NODE_KIND = 1, 3, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_FLOAT = 1  # TensorProto.DataType


@dataclass(frozen=True, slots=True)
class Node:
    """One operation."""

    name: str
    kind: str  # "MatMul"
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """What holds weights."""

    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict)  # those of float32, by name
    nodes: list[Node] = field(default_factory=list)


def read(data: bytes) -> Graph:
    """The tensors and nodes of an ONNX file.

    Raises:
        ValueError: the bytes end early or aren't ONNX.
    """
    graph = Graph()
    for number, value in _fields(memoryview(data)):
        if number == _MODEL_GRAPH and isinstance(value, memoryview):
            for part, inner in _fields(value):
                if part == _GRAPH_INITIALIZER and isinstance(inner, memoryview):
                    _add_tensor(graph, inner)
                elif part == _GRAPH_NODE and isinstance(inner, memoryview):
                    graph.nodes.append(_node(inner))
    if not graph.tensors:
        raise ValueError("it holds no tensors")
    return graph


def _node(data: memoryview) -> Node:
    name, kind, inputs = "", "", []
    for number, value in _fields(data):
        if isinstance(value, memoryview) and number in (_NODE_INPUT, _NODE_NAME, _NODE_KIND):
            text = bytes(value).decode()
            if number == _NODE_INPUT:
                inputs.append(text)
            elif number == _NODE_NAME:
                name = text
            else:
                kind = text
    return Node(name, kind, tuple(inputs))


def _add_tensor(graph: Graph, data: memoryview) -> None:
    name, kind, shape, raw = "", 0, list[int](), memoryview(b"")
    for number, value in _fields(data):
        if number == _TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == _TENSOR_RAW and isinstance(value, memoryview):
            raw = value
    if kind == _FLOAT:
        graph.tensors[name] = np.frombuffer(raw, "<f4").reshape(shape)


def _packed(data: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message, in order."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
        if size < 0 or at + size > len(data):
            raise ValueError("it ends early or is no protocol buffer")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins there, seven bits a byte, and where the next one begins."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends early")
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("it is no protocol buffer")
