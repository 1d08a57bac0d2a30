"""``python -m sutazai.cli``: the same as the command ``sutazai``."""

from sutazai.cli.main import main

main()
