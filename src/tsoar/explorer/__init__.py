"""A local page to look at any frame, ramp, profile and light curve, and to change a setting and see what it does (row G8).

`session` is what stands behind the page, without a page: frames, ramps, profiles, light curves, one integration reduced
anew. `views` draws it, `app` wires it, `server` serves it to this machine only, `opening` finds the files of a run.
(The room is not called ``explore``: that is the public function, and Python knows one name only once.)
"""
