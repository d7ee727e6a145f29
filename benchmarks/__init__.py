"""The kit's quick functions and commands beside what people use instead: time, memory, and the same results.

    python -m benchmarks                    every row
    python -m benchmarks encode restore     the rows whose name contains one of the words

`cases` lists what is compared, from `runs`, `tables`, `restoring`, `commands` and `launching`; `case` is one of them;
`official` is the Kaggle client's own command; `scene` makes what they work on, `measure` takes time and memory,
`runner` checks that both sides agree and then measures, `__main__` prints.
"""
