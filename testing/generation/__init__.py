"""How random modules are made: choices from a `Source`, written down once, whether a seed or Hypothesis makes them.

`source` makes choices, `pieces` the small parts (types, names, numbers, attributes), `recipes` one layer of each kind,
`network` functions and modules.
"""
