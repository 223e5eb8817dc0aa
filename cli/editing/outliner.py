"""From tokens to an outline: one pass, which goes on wherever a statement breaks off."""

from __future__ import annotations

import re

from plait.cli.editing.outline import Key, Mark, Outline, Scope, Statement
from plait.cli.editing.scan import Token, constants_in, name_in, scan
from plait.cli.editing.tokens import VALUE

_NONE = Token("end", "", -1)
_FRAME = r"(?P<frame>(?:net|const|weights|ir|rewrite)\b(?!\s*[=(]))"
_LAYER = rf"(?P<layer>{VALUE}([ \t]*,[ \t]*{VALUE})*[ \t]*=)"
_BEGINS = re.compile(rf"^[ \t]*(?:{_FRAME}|{_LAYER})", re.MULTILINE)
"""Lines on which something new begins: an item of the module; or values, commas and `=`."""


def outline(text: str) -> Outline:
    """The outline of a text in any state."""
    return _Outliner(text).run()


class _Outliner:
    def __init__(self, text: str) -> None:
        self.length = len(text)
        self.out = Outline(scan(text))
        self.tokens = [t for t in self.out.tokens if t.kind != "comment"]
        self.at = 0
        starts = ((m.lastgroup, m.start(str(m.lastgroup))) for m in _BEGINS.finditer(text))
        self.begins = {_NONE.start: "frame", **{start: str(kind) for kind, start in starts}}
        self.net_name = ""

    def run(self) -> Outline:
        while (token := self.peek()) is not _NONE:
            if token.text == "net":
                self.net()
            elif token.text == "weights":
                self.weights()
            elif token.text == "const":
                self.constant()
            else:
                self.next()
        for marks in self.out.marks.values():
            if marks.key is not None:
                self.out.mentions.setdefault(marks.key, []).append(marks)
        for mentions in self.out.mentions.values():
            mentions.sort(key=lambda m: m.token.start)
        return self.out

    # --- tokens ---

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else _NONE

    def next(self) -> Token:
        token = self.peek()
        self.at += token is not _NONE
        if token.kind == "quantized":
            for constant in constants_in(token):
                self.mark(constant, "use", ("constant", "", name_in(constant)))
        return token

    def begins_frame(self) -> bool:
        """Whether a net or another item of the module begins here, or the text ends."""
        return self.begins.get(self.peek().start) == "frame"

    def begins_layer(self) -> bool:
        """Whether a layer begins here."""
        return self.begins.get(self.peek().start) == "layer"

    def breaks_off(self) -> bool:
        """Whether what is open here must end, since something else begins."""
        return self.peek().start in self.begins

    def mark(self, token: Token, role: str, key: Key | None, statement: Statement | None = None, of: str = "") -> None:
        self.out.marks[token.start] = Mark(token, role, key, statement, of)

    # --- items ---

    def net(self) -> None:
        start = self.next().start
        name = self.peek()
        if name.kind != "const":
            return
        self.mark(self.next(), "definition", ("net", "", name_in(name)))
        scope = Scope("net", name, start=start)
        self.net_name = name_in(name)
        self.out.scopes.append(scope)
        self.body(scope)

    def weights(self) -> None:
        word = self.next()
        scope = Scope("weights", word, start=word.start)
        self.out.scopes.append(scope)
        while not self.begins_frame() and self.peek().text != "}":
            token = self.next()
            scope.inside = (token.start, token.start) if token.text == "{" else scope.inside
            if token.kind == "const":
                scope.definitions.append(token)
                self.mark(token, "definition", ("constant", "", name_in(token)))
        self.close(scope)

    def constant(self) -> None:
        self.next()
        if self.peek().kind == "const":
            token = self.next()
            self.out.constants.append(token)
            self.mark(token, "definition", ("constant", "", name_in(token)))

    def body(self, scope: Scope) -> None:
        """Head and layers of a net or region."""
        for defines in (True, False):
            while self.peek().kind == "arrow":
                self.next()
            if self.peek().text == "(":
                self.head(scope, defines)
        if self.peek().text == "{":
            scope.inside = (self.peek().start, self.peek().end)
            self.next()
            self.layers(scope)
        elif scope.kind == "net" and self.begins_layer():  # the brace is not written yet
            self.layers(scope)
        self.close(scope)

    def head(self, scope: Scope, defines: bool) -> None:
        """`(%a: type, ...)`: arguments, or outputs."""
        self.next()
        while not self.breaks_off() and self.peek().text not in (")", "{", "->"):
            token = self.next()
            if token.kind == "value" and defines and self.peek().text == ":":
                self.define(scope, token)
            elif token.kind in ("value", "const"):
                self.use(scope, token)
        if self.peek().text == ")":
            self.next()

    def layers(self, scope: Scope) -> None:
        while not self.begins_frame() and self.peek().text != "}":
            if self.begins_layer():
                self.layer(scope)
                continue
            token = self.next()
            if token.kind in ("value", "const"):
                self.use(scope, token)

    def close(self, scope: Scope) -> None:
        """End a scope at its brace, or where the text goes on without one."""
        if self.peek().text == "}":
            scope.end = self.next().end
        else:
            scope.end = self.length if self.peek() is _NONE else self.peek().start - 1
        scope.inside = (scope.inside[0], scope.end)

    # --- layers ---

    def layer(self, scope: Scope) -> None:
        statement = Statement(scope, self.peek().start)
        scope.layers.append(statement)
        while self.peek().text != "=":
            token = self.next()
            if token.kind == "value":
                statement.results.append(token)
        self.next()
        if not self.breaks_off() and self.peek().kind == "name":
            statement.op = self.next()
            self.mark(statement.op, "layer", None, statement)
        self.clauses(scope, statement)
        statement.end = self.tokens[self.at - 1].end
        for token in statement.results:
            self.define(scope, token, statement)

    def clauses(self, scope: Scope, statement: Statement) -> None:
        """Everything behind the kind of the layer."""
        first = True
        while not self.breaks_off() and self.peek().text != "}":
            token = self.peek()
            if token.text == "(" and first:
                self.operands(scope, statement)
                first = False
            elif token.text == "{":
                self.attributes(statement)
            elif token.kind == "name" and self.peek(1).text == "(":
                self.region(scope, statement)
            elif token.kind == "routine":
                self.mark(self.next(), "routine", None, statement)
            elif token.kind in ("value", "const"):
                self.use(scope, self.next(), statement)
            else:
                self.next()

    def operands(self, scope: Scope, statement: Statement) -> None:
        self.next()
        while not self.breaks_off() and self.peek().text not in (")", "{", "}"):
            token = self.next()
            if token.kind in ("value", "const"):
                self.use(scope, token, statement)
            elif token.kind == "name" and self.peek().text == "=":
                self.mark(token, "field", None, statement)
        if self.peek().text == ")":
            self.next()

    def attributes(self, statement: Statement) -> None:
        depth, of = 0, ""
        while not self.breaks_off():
            token = self.next()
            depth += {"{": 1, "}": -1}.get(token.text, 0)
            if depth == 0:
                return
            if token.kind in ("name", "string") and self.peek().text == "=" and depth == 1:
                of = token.text.strip('"')
                statement.given.append(of)
                self.mark(token, "attribute", None, statement, of)
            elif token.kind == "name":
                self.mark(token, "word", None, statement, of)
            elif token.kind == "const":
                self.mark(token, "use", ("net", "", name_in(token)), statement, of)

    def region(self, scope: Scope, statement: Statement) -> None:
        name = self.next()
        self.mark(name, "region", None, statement)
        inner = Scope("region", name, scope, statement, name.start)
        statement.regions.append(inner)
        self.body(inner)

    # --- names ---

    def define(self, scope: Scope, token: Token, statement: Statement | None = None) -> None:
        scope.definitions.append(token)
        self.mark(token, "definition", ("value", self.net_name, name_in(token)), statement)

    def use(self, scope: Scope, token: Token, statement: Statement | None = None) -> None:
        key = ("constant", "", name_in(token)) if token.kind == "const" else ("value", self.net_name, name_in(token))
        self.mark(token, "use", key, statement)
