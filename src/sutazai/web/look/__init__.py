"""How the dashboard looks: colours, the frame of every page, words for figures. No rules."""
