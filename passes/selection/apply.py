"""From a solution back to the IR: routines written on layers, formats into types, adapts inserted where they are first
needed. Conversions that cost nothing and have no routine leave no layer."""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format
from plait.ir.values import Constant, Value
from plait.passes.selection.build import BuiltProblem, Candidate, CostSource
from plait.passes.selection.solution import Solution


def apply_solution(built: BuiltProblem, solution: Solution, costs: CostSource) -> int:
    """Write a solution into its function. Returns the number of adapts inserted.

    Every layer gets `via` and `cost_us`, every value the chosen format. Shared conversions become one adapt.
    """
    return _Applier(built, solution, costs).run()


@attrs.define(eq=False)
class _Applier:
    built: BuiltProblem
    solution: Solution
    costs: CostSource
    made: dict[tuple[Value, Format], Value] = attrs.field(factory=dict)
    source: dict[tuple[Value, Format], Format] = attrs.field(factory=dict)
    adapts: int = 0

    def run(self) -> int:
        built, region = self.built, self.built.function.body
        for number, source, target in self.solution.conversions:
            formats = built.formats[number]
            self.source[built.values[number], formats[target]] = formats[source]
        for argument in built.function.arguments:
            self.made[argument, argument.type.format] = argument
        outputs_of = set(built.function.outputs)
        for index, choice in enumerate(self.solution.choice):
            layer, candidate = built.layers[index], built.candidate(index, choice)
            if layer is None or candidate is None:
                continue
            layer.via, layer.cost_us = candidate.path, candidate.cost_us
            for result, format in zip(layer.results, candidate.results, strict=True):
                # Functions say nothing of how their outputs are split, which is no concern of callers.
                result.type = result.type.with_format(format.whole if result in outputs_of else format)
                self.made[result, format] = result
            wanted = iter(candidate.operands)
            for field in layer.spec.operands:
                current = getattr(layer, field.name)
                if field.variadic:
                    values = tuple(v if isinstance(v, Constant) else self.get(v, next(wanted), layer) for v in current)
                    region.set_operand(layer, field.name, values)
                elif current is not None and not isinstance(current, Constant):
                    region.set_operand(layer, field.name, self.get(current, next(wanted), layer))
        outputs = []
        for value, format in zip(built.function.outputs, built.outputs, strict=True):
            outputs.append(value if isinstance(value, Constant) else self.output(value, format))
        region.outputs = outputs
        return self.adapts

    def get(self, value: Value, format: Format, before: Layer | None) -> Value:
        """`value` in `format`, converted before the given layer if it does not exist yet."""
        if (value, format) not in self.made:
            origin = self.source[value, format]
            source = self.get(value, origin, before)
            cost = self.costs.adapt(value.type, origin, format)
            assert cost is not None
            self.made[value, format] = self.convert(source, value, format, cost, before) if cost.path else source
        return self.made[value, format]

    def convert(self, source: Value, value: Value, format: Format, cost: Candidate, before: Layer | None) -> Value:
        """A conversion as a layer: of the layout, else of the split."""
        adapt = Adapt(source, via=cost.path, cost_us=cost.cost_us)
        same_layout = source.type.format.whole == format.whole
        name = f"{source.name}.{format.split}" if same_layout else f"{value.name}.{format.layout or format.dtype}"
        self.built.function.body.insert(adapt, before, [name], [value.type.with_format(format)])
        self.adapts += 1
        return adapt.result

    def output(self, value: Value, format: Format) -> Value:
        """An output; if it is an adapt of a value, it takes over the name that people know."""
        converted = self.get(value, format, None)
        if converted is not value and value.owner is not None and converted.name.startswith(f"{value.name}."):
            value.name, converted.name = f"{value.name}.{value.type.layout}", value.name
        return converted
