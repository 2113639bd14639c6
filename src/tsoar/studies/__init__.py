"""Every "what if" of an exposure: a grid of settings reduced together, compared in one table and one page.

`grid` reads what is asked, `sharing` finds what settings have in common, `engine` reduces them, `judge` condenses one setting,
`planet` fits depths, `table` compares, `answers` says it in words, `page` shows it, `run` is the story.
"""
