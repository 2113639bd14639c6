"""The page: controls, views, and what happens when one is touched."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from time import perf_counter
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.events import Tap
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    Checkbox,
    CheckboxGroup,
    Div,
    RadioButtonGroup,
    Select,
    Slider,
    Spinner,
)
from jinja2 import Template

from tsoar.errors import TsoarError
from tsoar.explorer.session import LABELS, ORDERS, Knobs, Session, View
from tsoar.explorer.views import CurveView, FrameView, ProfileView, RampView, SpectrumView, listed, norm_of

log = logging.getLogger(__name__)

VIEWS: tuple[View, ...] = ("after", "before", "change")
ABOUT_DIFFERENCES = ("one_over_f", "jump")
"""steps that are judged on differences of groups, and shown as such when chosen"""
FITTED = ("one_over_f", "jump", "ramp_fit")
"""steps whose values are those the ramp fit is about, but for flags"""
NEAR = 0.02
"""a click this close to an order's light is meant for it [um]"""
MARKED = {"": "nothing", "JUMP_DET": "JUMP_DET", "SATURATED": "SATURATED", "DO_NOT_USE": "DO_NOT_USE"}
FOLD = ".bk-input-group.bk-inline { flex-wrap: wrap; gap: 2px 12px; }"
STACK = ":host { flex-wrap: wrap; gap: 4px 16px; }"
"""what stands in a row goes below where the window is narrow"""

PAGE = Template(
    """{% from macros import embed %}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{{ title | e }}</title>
<style>
  html { color-scheme: light; }
  body { margin: 0 auto; padding: .5rem; max-width: 86rem; box-sizing: border-box; background: #fff; color: #1a1a1a;
    font: 14px/1.4 system-ui, sans-serif; }
</style>
{{ bokeh_css }}
{{ bokeh_js }}
</head>
<body>
{% for doc in docs %}{% for root in doc.roots %}{{ embed(root) }}{% endfor %}{% endfor %}
{{ plot_script }}
</body>
</html>
"""
)


def heading(text: str) -> Div:
    """The title of a part of the page."""
    return Div(text=f"<h2 style='font-size:1.05rem;margin:.5rem 0 0'>{escape(text)}</h2>", sizing_mode="stretch_width")


class Page:
    """One open page: its controls, its views, and what is being looked at."""

    def __init__(self, session: Session, doc: Document | None = None) -> None:
        self.session, self.doc = session, doc
        ny, nx = session.exposure.readout.shape
        deep = session.recipe.deep
        self.x = 3 * nx // 4
        row_there = deep.trace[0, self.x]
        self.y = int(np.clip(np.rint(row_there if np.isfinite(row_there) else ny / 2), 0, ny - 1))
        self._make_controls()
        self.frame, self.ramp, self.profile = FrameView.make((ny, nx)), RampView.make(), ProfileView.make(ny)
        self.spectrum, self.curve = SpectrumView.make(), CurveView.make()
        self._connect()
        self.everything()
        self.stepped()

    # -- what there is to touch ----------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        s, knobs = self.session, self.session.knobs
        n = s.exposure.n_integrations
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "min_width": 250, "max_width": 420}
        self.integration = Slider(start=0, end=max(n - 1, 1), value=0, step=1, title="integration", name="integration", **wide)
        self.integration.disabled = n == 1
        groups = s.n_groups
        self.group = Slider(start=0, end=max(groups - 1, 1), value=groups - 1, step=1, title="group", name="group", **wide)
        self.group.disabled = groups == 1
        options = [(step, f"{k}. {LABELS[step]}") for k, step in enumerate(s.steps)]
        self.step = Select(options=options, value="ramp_fit", title="step", name="step", width=190)
        self.view = RadioButtonGroup(labels=["after", "before", "what it changed"], active=0, name="view")
        self.difference = Checkbox(label="minus the group before", name="difference")
        self.marked = Select(options=[*MARKED.items()], value="", title="mark pixels", name="marked", width=140)
        self.traces = Checkbox(label="traces and apertures", name="traces")
        top = min(s.exposure.readout.shape[0] // 2 - 1, 60)
        self.threshold = Spinner(
            value=knobs.threshold, low=0.5, high=1000, step=0.25, title="jump threshold [sigma]", name="threshold", width=150
        )
        self.radius = Spinner(
            value=knobs.radius, low=2, high=top, step=0.5, title="aperture radius [px]", name="radius", width=150
        )
        self.threshold.disabled = not s.skippable
        labels = [LABELS[step] for step in s.skippable]
        skipped = [k for k, step in enumerate(s.skippable) if step in knobs.skip]
        self.skip = CheckboxGroup(
            labels=labels, active=skipped, inline=True, name="skip", sizing_mode="stretch_width", stylesheets=[FOLD]
        )
        self.reset = Button(label="as in the run", name="reset", width=120)
        self.order = RadioButtonGroup(labels=[f"order {o}" for o in ORDERS], active=0, name="order")
        w = s.wavelength
        self.wavelength = Spinner(
            value=round(float(np.nan_to_num(w[0, self.x], nan=1.0)), 4),
            low=round(float(np.nanmin(w)), 4),
            high=round(float(np.nanmax(w)), 4),
            step=0.001,
            title="wavelength [µm]",
            name="wavelength",
            width=130,
        )
        self.columns = Spinner(value=1, low=1, high=400, step=1, title="columns together", name="columns", width=130)
        self.words = Div(sizing_mode="stretch_width", name="words")
        self.numbers = Div(sizing_mode="stretch_width", name="numbers")
        self.trouble = Div(sizing_mode="stretch_width", name="trouble", visible=False)

    def _connect(self) -> None:
        def on(model: Any, name: str, then: Callable[[], None]) -> None:
            model.on_change(name, lambda attr, old, new: self.guarded(then))

        on(self.integration, "value_throttled", self.everything)
        on(self.group, "value_throttled", self.framed)
        on(self.step, "value", self.stepped)
        on(self.view, "active", self.framed)
        on(self.difference, "active", self.framed)
        on(self.marked, "value", self.framed)
        on(self.traces, "active", self.traced)
        for knob, name in ((self.threshold, "value"), (self.radius, "value"), (self.skip, "active")):
            on(knob, name, self.everything)
        for choice, name in ((self.order, "active"), (self.wavelength, "value"), (self.columns, "value")):
            on(choice, name, self.curved)
        self.reset.on_click(lambda: self.guarded(self.as_in_the_run))
        self._on_click(self.frame.figure, self.picked)
        self._on_click(self.spectrum.figure, self.wavelength_picked)
        self._on_click(self.curve.figure, lambda x, y: self.integration_picked(x))

    def _on_click(self, p: Any, then: Callable[[float, float], None]) -> None:
        def clicked(event: Tap) -> None:
            if event.x is not None and event.y is not None:
                x, y = event.x, event.y
                self.guarded(lambda: then(x, y))

        p.on_event(Tap, clicked)

    def guarded(self, then: Callable[[], None]) -> None:
        """Do something; send everything it changed at once; what the user can mend is said on the page."""
        if self.doc is not None:
            self.doc.hold("combine")
        try:
            self.trouble.visible = False
            then()
        except TsoarError as error:
            self.say(str(error))
        except Exception as error:  # the page is where a bug would show: nobody looks at the terminal
            log.exception("page of tsoar explore")
            self.say(f"this is a bug in tsoar, please report: {type(error).__name__}: {error}")
        finally:
            if self.doc is not None:
                self.doc.unhold()

    def say(self, text: str) -> None:
        """A line at the top of the page."""
        self.trouble.text = f"<p style='color:#a01212;margin:0'>{escape(text)}</p>"
        self.trouble.visible = True

    # -- what is asked for ---------------------------------------------------------------------------------------------

    @property
    def i(self) -> int:
        """The integration looked at."""
        return min(int(self.integration.value), self.session.exposure.n_integrations - 1)

    @property
    def g(self) -> int:
        """The group looked at."""
        return min(int(self.group.value), self.session.n_groups - 1)

    @property
    def knobs(self) -> Knobs:
        """The settings on the page; a field that was emptied counts as the run's."""
        run = self.session.knobs
        skip = {self.session.skippable[k] for k in self.skip.active} | (run.skip & {"clean"})
        threshold, radius = self.threshold.value, self.radius.value
        return Knobs(
            float(run.threshold if threshold is None else threshold),
            float(run.radius if radius is None else radius),
            frozenset(skip),
        )

    # -- what follows --------------------------------------------------------------------------------------------------

    def everything(self) -> None:
        """Another integration, or other settings."""
        start = perf_counter()
        change = self.session.recompute(self.i, self.knobs)
        took = 1e3 * (perf_counter() - start)
        when = f"computed in {took:.0f} ms" if took >= 1 else "computed before"
        self.numbers.text = listed(change.lines(), f"Integration {self.i} with these settings") + (
            f"<span style='color:#555'>{when}; the survey stays that of the run's settings</span>"
        )
        self.spectrum.show(change, self.session.wavelength, self.i)
        self.framed()
        self.ramped()
        self.traced()
        self.curved()

    def stepped(self) -> None:
        """Another step; those that are about differences are shown so."""
        self.difference.active = self.step.value in ABOUT_DIFFERENCES
        slopes = self.step.value == "ramp_fit"
        self.view.disabled = self.difference.disabled = slopes
        self.group.disabled = slopes or self.session.n_groups == 1
        self.framed()
        self.ramped()

    def framed(self) -> None:
        """Another frame of the same integration."""
        s, step, view = self.session, self.step.value, VIEWS[self.view.active]
        difference = bool(self.difference.active)
        frame = s.frame(self.i, self.g, step, self.knobs, view, difference)
        norm = None
        if view == "before":  # on the scale of after, so that the eye can compare, where that can hold it
            after = s.frame(self.i, self.g, step, self.knobs, "after", difference)
            norm = norm_of(after.values, after.kind) if after.kind == frame.kind else None
        self.frame.show(frame, self.marked.value, norm)
        self.profiled()

    def profiled(self) -> None:
        """Another column."""
        step = self.step.value
        profile = self.session.profile(self.i, self.x, step, self.g, self.knobs, bool(self.difference.active))
        self.profile.show(profile, self.x, LABELS[step])
        self.frame.pick(self.y, self.x)

    def ramped(self) -> None:
        """Another pixel."""
        step = self.step.value
        ramp = self.session.ramp(self.i, self.y, self.x, step, self.knobs)
        label = "" if step in ("raw", "ramp_fit") else LABELS[step]
        self.ramp.show(ramp, self.y, self.x, label, step in FITTED)
        self.words.text = listed(ramp.lines, f"Flags of row {self.y}, column {self.x}")

    def traced(self) -> None:
        """Traces and apertures come or go."""
        r = self.session.reduced(self.i, self.knobs)
        shift = r.shift if self.session.recipe.motion.follow else np.zeros(3)
        trace = self.session.recipe.deep.trace + shift[:, None]
        self.frame.show_traces(trace if self.traces.active else np.empty((0, 0)), self.knobs.radius)

    def curved(self) -> None:
        """Another light curve."""
        order, wavelength = ORDERS[self.order.active], self.wavelength.value
        if wavelength is None:
            return
        curve = self.session.light_curve(float(wavelength), order, int(self.columns.value or 1))
        self.curve.show(curve, self.i)
        self.spectrum.picked.location = float(wavelength)

    def as_in_the_run(self) -> None:
        """All settings as they were in the run."""
        run = self.session.knobs
        self.threshold.value, self.radius.value = run.threshold, run.radius
        self.skip.active = [k for k, step in enumerate(self.session.skippable) if step in run.skip]

    # -- clicks --------------------------------------------------------------------------------------------------------

    def picked(self, across: float, up: float) -> None:
        """A pixel of the frame: its ramp, its column, and the light curve of the trace it lies on."""
        ny, nx = self.session.exposure.readout.shape
        x, y = round(across), round(up)
        if not (0 <= x < nx and 0 <= y < ny):
            return
        self.x, self.y = x, y
        self.ramped()
        self.profiled()
        with np.errstate(invalid="ignore"):
            away = np.abs(self.session.recipe.deep.trace[:, x] - y)
        near = [o for o in ORDERS if away[o - 1] <= self.knobs.radius and np.isfinite(self.session.wavelength[o - 1, x])]
        if near:
            self.go_to(min(near, key=lambda o: float(away[o - 1])), x)

    def wavelength_picked(self, wavelength: float, flux: float) -> None:
        """A wavelength of the spectrum: the light curve of the order drawn nearest to the click."""
        drawn: dict[float, tuple[int, int]] = {}
        for o in ORDERS:
            if not np.isfinite(self.session.wavelength[o - 1]).any():
                continue
            x = self.session.column_of(wavelength, o)
            there = self.spectrum.value(o, x)
            if there > 0 and flux > 0 and abs(self.session.wavelength[o - 1, x] - wavelength) < NEAR:
                drawn[abs(np.log(there / flux))] = (o, x)
        if drawn:
            self.go_to(*drawn[min(drawn)])

    def go_to(self, order: int, x: int) -> None:
        """Show the light curve of an order and column; the controls follow."""
        self.order.active = ORDERS.index(order)
        self.wavelength.value = round(float(self.session.wavelength[order - 1, x]), 4)

    def integration_picked(self, hour: float) -> None:
        """A point of the light curve: that integration."""
        hours = np.asarray(self.curve.source.data["x"], np.float64)
        if hours.size:
            self.integration.value = int(np.argmin(np.abs(hours - hour)))
            self.everything()

    # -- how it is laid out --------------------------------------------------------------------------------------------

    def layout(self) -> Any:
        """Everything in one column; what stands side by side goes below on a narrow window."""
        s = self.session
        name = str(s.exposure.header.get("TARGPROP") or s.exposure.header.get("TARGNAME") or s.exposure.stem)
        readout = s.exposure.readout
        told = (
            f"{s.exposure.stem}: {s.exposure.n_integrations} integrations of {s.n_groups} groups, {readout.subarray}. "
            "This page is served by this machine to this machine only."
        )
        title = Div(
            text=f"<h1 style='font-size:1.3rem;margin:0'>{escape(name)}</h1><p style='margin:0;color:#444'>{escape(told)}</p>",
            sizing_mode="stretch_width",
        )

        def side_by_side(*children: Any) -> Any:
            return row(*children, sizing_mode="stretch_width", stylesheets=[STACK])

        half: dict[str, Any] = {"sizing_mode": "stretch_width", "min_width": 340}
        ramp = column(self.ramp.title, self.ramp.figure, self.ramp.residual, self.words, **half)
        profile = column(self.profile.title, self.profile.figure, **half)
        parts = [
            title,
            self.trouble,
            side_by_side(self.integration, self.group),
            side_by_side(self.step, column(self.view, self.difference), self.marked, self.traces),
            self.frame.title,
            self.frame.figure,
            side_by_side(ramp, profile),
            heading("Another setting, this integration"),
            side_by_side(self.threshold, self.radius, self.reset),
            Div(text="leave out"),
            self.skip,
            self.numbers,
            self.spectrum.title,
            self.spectrum.figure,
            self.spectrum.change,
            heading("Light curve"),
            side_by_side(self.order, self.wavelength, self.columns),
            self.curve.title,
            self.curve.figure,
        ]
        return column(*parts, sizing_mode="stretch_width", name="page")


def application(session: Session) -> Callable[[Document], None]:
    """The page as Bokeh takes it: a function that fills a document (also what ``bokeh.io.show`` takes in a notebook)."""

    def fill(doc: Document) -> None:
        page = Page(session, doc)
        doc.title = f"tsoar: {session.exposure.stem}"
        doc.template = PAGE
        doc.add_root(page.layout())

    return fill
