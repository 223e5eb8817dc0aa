"""How IR text is coloured: one table of tokens, from which the Pygments lexer and the TextMate grammar are made.

The expressions are those of the terminals in `ir/text/grammar.lark`, and tests compare them; spelled again here so that
colouring a page needs neither the parser nor NumPy. Both engines try the rules of a context in order at each place.
What only the parser can tell, such as a layout from a comparison, is told by what stands around it, within one line.
"""

from __future__ import annotations

from typing import NamedTuple

NAME = r"[A-Za-z_][A-Za-z0-9_\-]*"
STRING = r'"([^"\\\n]|\\.)*"'
VALUE = r'%([A-Za-z0-9_.$\-]+|"([^"\\\n]|\\.)*")'
CONST = r'@([A-Za-z0-9_.$\-]+|"([^"\\\n]|\\.)*")'
VARIABLE = r"\$[A-Za-z_][A-Za-z0-9_]*"
QUANTIZED = r'qu?[0-9]+<([^<>"\n]|"([^"\\\n]|\\.)*")*>'
SHAPE = r"\[[^\]\n]*\]"
LAYOUT = r"<[^<>\n]*>"
ROUTINE = r"[A-Za-z0-9_.]+(\/[A-Za-z0-9_.]+)+(\[[^\]\n]*\])?"
COST = r"![0-9]+(\.[0-9]+)?us"
HASH = r"sha256:[0-9a-f]+"
FLOAT = r"[-+]?([0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|inf\b|nan\b)"
INT = r"[-+]?[0-9]+"
COMMENT = r"\/\/[^\n]*"

KEYWORDS = ("ir", "weights", "const", "net", "split", "on", "via", "loc", "rewrite", "where", "in", "not")
DTYPES = (
    *("f64", "f32", "f16", "bf16", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "f8e8m0", "f6e2m3", "f6e3m2"),
    *("f4e2m1", "i64", "i32", "i16", "i8", "i4", "i2", "u64", "u32", "u16", "u8", "u4", "u2", "c64", "c128"),
    *("bool", "string"),
)
LAYOUTS = ("nchw", "nhwc", "nchw[1-9][0-9]*c")


class Rule(NamedTuple):
    """One kind of token: an expression, and what Pygments and TextMate call it."""

    name: str
    pattern: str
    token: str
    """Type of the token in Pygments: `Name.Variable`."""
    scope: str
    """Scope in TextMate, without the language: `variable.other.value`."""


def words(*choices: str) -> str:
    """An expression for whole words; a word may have hyphens."""
    return rf"\b(?:{'|'.join(choices)})(?![A-Za-z0-9_\-])"


_ANYWHERE = (
    Rule("comment", COMMENT, "Comment.Single", "comment.line.double-slash"),
    Rule("value", VALUE, "Name.Variable", "variable.other.value"),
    Rule("variable", VARIABLE, "Name.Variable.Magic", "variable.parameter.pattern"),
    Rule("quantized", QUANTIZED, "Keyword.Type", "storage.type.quantized"),
    Rule("container", r"(?:seq|optional)(?=<)", "Keyword.Type", "storage.type.container"),
    Rule("hash", HASH, "Number.Hex", "constant.other.hash"),
    # A letter first: `3/4` is arithmetic.
    Rule("routine", rf"(?=[A-Za-z_]){ROUTINE}", "Name.Namespace", "entity.name.namespace.routine"),
    Rule("dtype", words(*DTYPES), "Keyword.Type", "storage.type.element"),
    # Shapes stand right after an element type; a bracket elsewhere begins a list.
    Rule("shape", rf"(?<=[A-Za-z0-9_>]){SHAPE}", "Number", "constant.numeric.shape"),
    Rule("layout", rf"(?=<\s*d[0-9]){LAYOUT}", "Keyword.Pseudo", "storage.modifier.layout"),
    Rule("layout-word", words(*LAYOUTS), "Keyword.Pseudo", "storage.modifier.layout"),
)
_NUMBERS = (
    Rule("float", FLOAT, "Number.Float", "constant.numeric.float"),
    Rule("boolean", words("true", "false"), "Keyword.Constant", "constant.language.boolean"),
)
_SIGNS = (
    Rule("int", INT, "Number.Integer", "constant.numeric.integer"),
    Rule("rest", r"\.\.\.", "Operator", "keyword.operator.rest"),
    Rule("arrow", r"[-=]>", "Operator", "keyword.operator.arrow"),
    Rule("operator", r"[=!<>]=|[=+\-*\/%<>?]", "Operator", "keyword.operator"),
    Rule("punctuation", r"[(){}\[\],:]", "Punctuation", "punctuation.separator"),
)

BODY = (
    *_ANYWHERE,
    Rule("string", STRING, "String.Double", "string.quoted.double"),
    Rule("net", rf"(?:(?<=\bnet\s)|(?<=\brewrite\s)){CONST}", "Name.Function", "entity.name.function.net"),
    Rule("constant", CONST, "Name.Constant", "variable.other.constant"),
    Rule("cost", COST, "Number.Float", "constant.numeric.cost"),
    Rule("device", rf"(?<=\bon\s){NAME}", "Name.Builtin.Pseudo", "storage.modifier.device"),
    Rule("field", rf"{NAME}(?=\s*=\s*[%@])", "Name.Attribute", "variable.parameter.operand"),
    Rule("layer", rf"(?:(?<==\s)|(?<==)){NAME}(?=\s*\()", "Name.Builtin", "support.function.layer"),
    Rule("keyword", words(*KEYWORDS), "Keyword", "keyword.control"),
    Rule("function", rf"{NAME}(?=\()", "Name.Function", "support.function.constraint"),
    Rule("region", rf"{NAME}(?=\s+\()", "Name.Label", "entity.name.section.region"),
    *_NUMBERS,
    Rule("word", NAME, "Name", "constant.other.word"),
    *_SIGNS,
)
"""What stands outside of attributes."""

ATTRIBUTES = (
    *_ANYWHERE,
    Rule("attribute", rf"(?:{NAME}|{STRING})(?=\s*=(?![=>]))", "Name.Attribute", "entity.other.attribute-name"),
    Rule("string", STRING, "String.Double", "string.quoted.double"),
    Rule("symbol", CONST, "Name.Function", "entity.name.function.net"),
    *_NUMBERS,
    Rule("call", rf"{NAME}(?=\s*\()", "Name.Function", "support.function.call"),
    Rule("word", NAME, "Name.Entity", "constant.other.word"),
    *_SIGNS,
)
"""What stands between the braces of attributes."""

ATTRIBUTES_BEGIN = rf"\{{(?=[ \t]*(?:(?:{NAME}|{STRING})\s*=(?![=>])|\.\.\.))"
ATTRIBUTES_END = r"\}|^(?=\s*%)"
"""The brace; or, where it is not written yet, a line that begins with a value: the next layer."""
