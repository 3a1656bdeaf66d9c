"""The whitelist of Python syntax."""

import ast
from types import FunctionType

from runner.filters import emit

FORBIDDEN = (ast.Attribute, ast.Import, ast.ImportFrom, ast.Lambda, ast.For, ast.While, ast.ListComp, ast.Starred)


def test_no_node_can_reach_an_attribute_or_a_loop():
    nodes = [value for value in vars(emit).values() if isinstance(value, type) and issubclass(value, ast.AST)]
    assert nodes
    assert not [node for node in nodes if issubclass(node, FORBIDDEN)]


def test_built_functions_see_the_given_names_and_nothing_else():
    body: list[ast.stmt] = [emit.Return(emit.call(emit.variable("double"), emit.variable("r0")))]
    functions = emit.build([emit.function("f0", ("r0",), body)], {"__builtins__": {}, "double": lambda x: 2 * x})
    assert list(functions) == ["f0"]
    assert isinstance(functions["f0"], FunctionType)
    assert functions["f0"](21) == 42
    assert functions["f0"].__globals__.keys() == {"__builtins__", "double"}


def test_equal_pieces_of_syntax_are_shared():
    assert emit.variable("v1") is emit.variable("v1")
    assert emit.of_type("v1", emit.TYPE) is emit.of_type("v1", emit.TYPE)
