"""The built-in layers, one file per family. A layer's class is its whole declaration: operands, attributes, result
types, semantics."""
