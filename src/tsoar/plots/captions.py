"""What each figure shows, what to look for in it and what would be wrong: one text per function of `tsoar.plots`."""

CAPTIONS = {
    "saturated": (
        "Pixels flagged SATURATED in the first and in the last group of an integration, on the frame itself. "
        "Saturation grows up the ramp from the cores of orders 1 and 2, where the star is brightest. Wrong: "
        "saturation in the first group (the star is too bright for this readout), single pixels all over the frame (a "
        "saturation reference that does not fit), or a last group that is saturated along a whole trace."
    ),
    "group_differences": (
        "Differences of neighbouring groups of one integration before (left) and after (right) the 1/f correction, on "
        "one colour scale that shows the noise of the dark rows; the traces saturate it. Vertical stripes on the left "
        "are 1/f noise. Wrong: stripes that remain on the right, dark or bright bands along the traces (the "
        "correction has eaten star light), or one difference that looks unlike the others."
    ),
    "slope_image": (
        "Slope image on an arcsinh scale: orders 1 (brightest), 2 and 3, the sky with its step near column 700, field "
        "stars. Wrong: vertical stripes, checkered columns, steps in rows, or grey (unusable) pixels in large "
        "patches."
    ),
    "traces_on_image": (
        "The traces used for the extraction on the slope image, and below the measured centres minus these curves, "
        "where they could be measured. A smooth difference below 1 px is one of definition: the centre of a lopsided "
        "profile's light is not the midpoint between its edges. Wrong: a curve that leaves its order, order 2 sliding "
        "towards order 1 left of column 900, or a difference that jumps or scatters by more than 0.3 px."
    ),
    "trace_motion": (
        "Motion of each trace along rows, integration by integration, with its error; below, where it was fitted, the "
        "change of the profile's width. Some mpx of slow drift are normal. Orders 1 and 2 must move together. Wrong: "
        "steps (a mirror tilt), jumps within one integration, or motion that follows the transit."
    ),
    "apertures": (
        "The extraction boxes on the slope image. Wrong: a box that does not enclose its trace, leaves the subarray, "
        "or holds another order or a field star."
    ),
    "spectra": (
        "All extracted spectra (grey) on top of each other with their median, order by order, faint where orders "
        "overlap, and below the claimed relative error of a single integration. Lines of the star repeat in every "
        "integration. Wrong: spikes in single integrations, negative flux, or orders that disagree in shape where "
        "they overlap."
    ),
    "light_curve_image": (
        "Deviation of every light curve from its level outside the event, wavelength against time. The event is a "
        "band across all wavelengths. Wrong: horizontal lines (an integration that is off everywhere: a tilt, or "
        "1/f), vertical lines (bad columns), slopes that change with wavelength (background or trace motion)."
    ),
    "sensitivity": (
        "Scatter of every light curve outside the event over its claimed error, with the running median over 41 "
        "columns; dotted lines mark its minimum and maximum. 1 means that the errors hold. Wrong: a running median "
        "above 1.1 (noise that is not accounted for) or below 0.9 (errors too large, or a correction that shrinks the "
        "data)."
    ),
    "recovered_spectrum": (
        "The planet's spectrum that least squares with the known light-curve shape recovers from the light curves, beside "
        "the one that was put into the simulation; below, the difference in units of its error. Wrong: points of many "
        "neighbours on one side (a bias: background, dilution, 1/f), or an rms far from 1 (errors that do not hold)."
    ),
    "white_light": (
        "White light of orders 1 and 2 and of both together, normalised outside the event; right: the same close up. "
        "Open points are in or near the event, the band runs from first to fourth contact. The scatter outside the "
        "event, after a straight line, stands beside the claimed error. Wrong: a scatter more than 1.2 times the "
        "error (order 2: 1.35), a ramp, steps, or events that do not coincide."
    ),
    "white_psd": (
        "Power spectrum (Lomb-Scargle, real time stamps) of the white light outside the event. The solid line is the "
        "level of white noise with the claimed errors, the dashed one the level that noise alone exceeds anywhere in "
        "1 % of cases. Wrong: a peak above the dashed line (a period), power that rises to low frequencies (drift), "
        "or a level above the solid line."
    ),
    "rms_binning": (
        "Scatter of the white light outside the event against the number of integrations averaged, with the 1/sqrt(N) "
        "line and the range in which white noise lies with so few bins (68 % and 95 %). Neighbouring points are not "
        "independent. Wrong: points that level off above the band, which is noise that averaging does not beat."
    ),
    "fit_white_light": (
        "White light of each order over its fitted baseline, with the fitted transit or eclipse, and the residuals. Wrong: "
        "residuals with structure at ingress and egress (another orbit or limb darkening), a bump inside the event (a star "
        "spot), slow waves outside it (a higher order of the baseline, or trace motion as regressor)."
    ),
    "fit_spectrum": (
        "The planet's spectrum: depth of every bin of orders 1 and 2, the orbit held at the white light's. Where bins are "
        "single columns they are faint, and means of about 32 neighbours lie on top. Orders 1 and 2 share 0.85 to 1.1 "
        "um and must agree there. Wrong: an offset between the orders, single bins many errors off, or a slope that "
        "follows the limb darkening."
    ),
    "fit_residuals": (
        "What the models leave of all light curves, in units of the claimed errors; where there are more columns than "
        "fit across, sums of neighbours over the error of the sum, so that noise keeps a scatter of 1 and what columns share "
        "stands out. Wrong: a horizontal line (an integration that is off at all wavelengths), a vertical one (a bad column), "
        "or the event's shape in any colour (limb darkening or orbit that do not fit)."
    ),
    "fit_corner": (
        "The white light's parameters against each other: 1 and 2 sigma of the least squares, and, where it was sampled, the "
        "posterior as points. Middle of the event in seconds from the fitted one. Wrong: points that leave the ellipses (the "
        "covariance does not tell the whole truth: use the posterior), or limb darkening at the edge of what is possible."
    ),
    "study_ranking": (
        "All settings of the study, lowest noise first. Left: scatter of the spectrum's bins outside the event over that of "
        "the reference setting, median over bins, with its error. Right: change of the depth of order 1's white light against "
        "the reference, with the error that the scatter of the difference leaves. Wrong: a reference far down the list, or "
        "settings that lower the noise and move the depth (they take away signal, or there is reason to trust the reference "
        "less)."
    ),
    "study_part": (
        "Top: noise of the spectrum's bins over the reference's, scatter of single columns over photon and read noise "
        "(without 1/f), and scatter over claimed error (sensitivity: 1 where errors hold). Middle: white light of order 1 "
        "minus that of the reference; what sits in the event's band changes the depth. Bottom: the spectrum minus the "
        "reference's; inside the band a change is smaller than the error of a spectrum. Wrong: the event's shape in white "
        "light's difference, or a spectrum that leaves the band over many neighbours."
    ),
}
