"""Detection: backtests, live detectors, feedback, and the evaluation of results with labels."""
