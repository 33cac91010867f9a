"""The command ``anomalake``. `app` registers the commands; each other module holds some of them."""
