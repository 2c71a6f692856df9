"""The bank of mutants: wrong gradients, as students write them, each with the name of its mistake.

`operations` and `losses` hold right pairs of forward and backward pass, for any sizes. `of_layers` and `of_losses`
spoil their backward passes, `of_tensors` hides a part of a function from the engine. `of_others` and `of_more` were
written after the recognisers, as examinations that nobody had prepared for. `bank` is all of these.

``python -m tests.mutants`` shows the checker's verdict on each kind of mistake; ``--false-alarms`` checks 1,000 right
gradients.
"""
