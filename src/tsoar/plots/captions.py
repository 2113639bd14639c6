"""What each figure shows, what to look for in it and what would be wrong: one text per function of `tsoar.plots`."""

CAPTIONS = {
    "saturated": (
        "Pixels flagged SATURATED in the first and in the last group of an integration, on the frame itself. "
        "Saturation grows up the ramp from the cores of orders 1 and 2, where the star is brightest. Wrong: "
        "saturation in the first group (the star is too bright for this readout), single pixels all over the frame (a "
        "saturation reference that does not fit), or a last group that is saturated along a whole trace."
    ),
    "special_pixels": (
        "Pixels that the references flag, but for the reference pixels, on the detector (each under its rarest flag) "
        "and counted by flag name. Expect some tenths of a per cent, spread evenly, in ones and twos. Wrong: whole rows "
        "or columns, a map shifted against the frame (a mask of another subarray), no special pixel at all (no mask), "
        "or more than a few per cent DO_NOT_USE."
    ),
    "saturation_reference": (
        "The saturation limits cut to the subarray, and how close the last group of raw counts comes to them, column by "
        "column. Limits are smooth but for single pixels. Wrong: limits above the 65535 DN of the converter over large "
        "areas, a seam, or many columns above 1 (the ramp saturates: fewer groups are usable there)."
    ),
    "before_after": (
        "One group before and after a step, and what the step took away. Superbias: the pattern of rows and blotches "
        "(thousands of DN) must go and leave star, sky and column stripes. Reference pixels: odd and even rows by a "
        "level each, nothing else. Dark: tenths of a DN, more in hot pixels. Wrong: structure of the star in what was "
        "taken, a pattern that stays or is doubled in the frame after (a reference of another subarray or detector "
        "setting)."
    ),
    "column_profile": (
        "One column along its rows before and after a step: as it is, less its median and scaled to the dark rows, and "
        "what the step took away. After the superbias the scatter of dark rows must shrink from hundreds of DN to the "
        "read noise and stars stand on a flat floor; reference pixels take a level each from odd and even rows. Wrong: "
        "a zigzag of odd and even rows that stays, a floor that slopes, or dark rows that scatter more than before."
    ),
    "groups": (
        "All groups of one integration on one scale. The traces grow steadily from group to group, the sky slowly, hits "
        "of cosmic rays appear in one group and stay. Wrong: a group that is fainter than the one before, a trace that "
        "stops growing (saturation), or one group whose background jumps."
    ),
    "ramp": (
        "One pixel up the ramp with the fitted line, broken where a hit or a spoilt group is; residuals with the noise "
        "of a single read; its group differences against what the deep stack expects, with the band of the jump "
        "threshold. Symbols and words name the flags. Wrong: residuals that bend (linearity, saturation that was not "
        "flagged), a step without a flag, or a flag without a step."
    ),
    "linearity_check": (
        "The last group difference over the first against the fluence the pixel reached, before and after the linearity "
        "correction: medians of bins with their errors; the 1/f offsets of the columns are taken out of both where they "
        "are known, or they would shift the ratio by half a per cent. Before, the ratio falls below 1 as pixels fill; "
        "after, it must lie on 1 at every fluence. Wrong: a slope that stays or turns over (another detector's "
        "coefficients, or a bias that was not subtracted first), or a drop at the highest fluence only (saturation "
        "limits too high)."
    ),
    "clocking": (
        "How a frame is read: the time of every pixel's read, the order of the reads in the first columns, and two "
        "columns with the overhead between them. A column takes milliseconds and a frame seconds, which is why slow 1/f "
        "noise is an offset of a whole column here. Wrong: 1/f stripes in the data that run along rows (arrays turned "
        "or transposed)."
    ),
    "clock_psd": (
        "Power spectral density of a single read along the pixel clock, from group differences less their mean, traces "
        "and flagged pixels left out, overheads counted. White noise is a floor, 1/f noise a line of slope -1; the fit "
        "gives both. After the correction the power below the column rate must have dropped by orders of magnitude; "
        "what remains above it is 1/f noise inside columns. Wrong: narrow peaks (electronic pick-up), power after the "
        "correction that rises to low frequencies, or more power than before anywhere."
    ),
    "jump_map": (
        "Reads flagged as jumps for several thresholds, coloured by the group of a pixel's first hit. Hits are spread "
        "evenly over the frame in points and short lines, the few that vanish as the threshold rises are noise. Wrong: "
        "flags that draw the traces (the test eats the star: threshold too low, or a model that does not fit), columns "
        "(1/f noise not removed), or one group with most of the flags."
    ),
    "jump_sweep": (
        "Number of reads flagged in one integration against the jump threshold, with what Gaussian noise alone would "
        "flag and what cosmic rays should hit (5.8e-6 to 2.6e-5 a pixel and second, 1 to 2 pixels each). A good "
        "threshold lies where the curve has left the noise and goes down slowly. Wrong: a threshold left of the knee, "
        "or a plateau far from the expected band."
    ),
    "wavelength_map": (
        "Wavelength of every pixel near its order's trace, orders 1, 2 and 3, for the exposure's wheel angle. It falls "
        "from left to right and does not depend on the row. Wrong: an order that is missing on a column where its light "
        "is, or a trace outside its band."
    ),
    "dq_map": (
        "Where each flag is set. For group flags the colour is the number of groups. Saturation keeps to the cores of "
        "the traces, jumps are spread evenly, bad pixels stay where they are in every integration. Wrong: flags that "
        "follow the traces but should not (jumps), whole rows, columns or groups."
    ),
    "group_differences": (
        "Differences of neighbouring groups of one integration before (left) and after (right) the 1/f correction, on "
        "one colour scale that shows the noise of the dark rows; the traces saturate it. Vertical stripes on the left "
        "are 1/f noise. Wrong: stripes that remain on the right, dark or bright bands along the traces (the "
        "correction has eaten star light), or one difference that looks unlike the others."
    ),
    "slope_image": (
        "Slope image on an arcsinh scale: orders 1 (brightest), 2 and 3, the sky with its step near column 700, field "
        "stars; where it is given, what the 1/f correction took away: a level a column, a little different along the "
        "traces, because bright pixels weight the groups differently. Wrong: vertical stripes in the image, checkered "
        "columns, steps in rows, grey (unusable) pixels in large patches, or something of a star in what was taken away "
        "outside the traces."
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
    "one_over_f_masks": (
        "One group difference with column offsets taken out in three ways: the median of the whole column, the median of the "
        "rows beside the traces, and as this run does it. Without the mask the column's median holds starlight, most where a "
        "trace lies flat: the level of the sky then follows the star. Wrong: stripes that remain in the last panel, a level "
        "that changes along the columns of the masked one, or bands beside the traces."
    ),
    "start_profiles": (
        "The profile of orders 1 and 2 in the columns from which they are walked, and the maximum of the smoothed profile. The "
        "two horns, 15 px apart and of unequal height, are the SOSS profile; smoothing merges them. Wrong: a single spike (a "
        "hot pixel was taken for the star), a maximum on one horn, or another order in the window."
    ),
    "centroids": (
        "Centroids walked column by column (the maximum of the smoothed profile), on the published model of the trace. Grey "
        "columns were not measured, or not believed: another order or the edge is too near, or the order too faint. Wrong: "
        "coloured points that leave the model by more than a few px, a walk that jumps to another order, or gaps in the "
        "middle of order 1 (a field star or a bad column)."
    ),
    "centroids_on_image": (
        "The same centroids on the slope image. Wrong: points off the light, on another order, or on a field star."
    ),
    "trace_splines": (
        "How the trace follows what was measured: rows minus the published model. Dark grey points are midpoints between the "
        "two edges of the profile, which the spline follows; light grey ones are centroids, which lie higher by definition "
        "because the horns are unequal. Where nothing can be measured the trace keeps the model with the nearest offset. "
        "Wrong: a spline that wiggles between points, points that scatter by more than 0.3 px, or a trace that leaves the "
        "model by several px at its ends."
    ),
    "background": (
        "The sky that is taken off: the template's shape with its step near column 700, scaled on either side of it. Below, "
        "the image and the sky along the columns, both as medians of the rows outside the traces; the wings of the star lie "
        "in the image. Wrong: a step that stays in the difference, a sky above the image, or a shape that does not follow."
    ),
    "spectra_closeup": (
        "Order 1 in and out of the event, and close up about its deepest line: thin lines are single integrations. In the "
        "event the whole spectrum is dimmer by the depth. Wrong: a line that moves between the two (trace motion, the star's "
        "velocity), single spectra that cross the bundle (outliers), or a close-up without a bundle."
    ),
    "light_curves": (
        "All light curves of orders 1 and 2 on top of each other, dark blue at short and yellow at long wavelengths, with "
        "their median. Every curve has the same event; the spread is noise, larger at the faint end. Wrong: a fan that opens "
        "with time (a drift with wavelength), single curves far outside (bad columns), or events at different times."
    ),
    "outliers": (
        "The spectra after outliers were replaced: how far the furthest values of each column lie from the median spectrum "
        "times the brightness of the integration, in units of their errors, with the places of what was replaced; right, how "
        "many in which integration. Noise alone reaches 4 to 5. Wrong: columns that stand out in one integration only "
        "(missed), whole regions beyond 6 (errors too small), or many replaced values in one integration or one column."
    ),
    "recovered_spectrum": (
        "The planet's spectrum that least squares with the known light-curve shape recovers from the light curves, beside "
        "the one that was put into the simulation; below, the difference in units of its error. Wrong: points of many "
        "neighbours on one side (a bias: background, dilution, 1/f), or an rms far from 1 (errors that do not hold)."
    ),
    "white_light": (
        "White light of orders 1 and 2 and of both together, normalised outside the event (on paper, close up at the right). "
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
        "White light of each order over its fitted baseline, with the fitted transit or eclipse, and the residuals; on top, "
        "what the baseline holds. Wrong: residuals with structure at ingress and egress (another orbit or limb darkening), a "
        "bump inside the event (a star spot), slow waves outside it (a higher order of the baseline)."
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
        "the reference, with the error that the scatter of the difference leaves. A setting is better only if it lowers the "
        "noise and leaves the depth where it is, or if there is reason to trust its depth more. Wrong: a setting below the "
        "reference whose depth moves (it may have shrunk the data, planet and noise alike)."
    ),
    "study_part": (
        "Top: noise of the spectrum's bins over the reference's, scatter of single columns over photon and read noise "
        "(without 1/f), and scatter over claimed error (sensitivity: 1 where errors hold). Middle: white light of order 1 "
        "minus that of the reference; what sits in the event's band changes the depth. Bottom: the spectrum minus the "
        "reference's; inside the band a change is smaller than the error of a spectrum. Wrong: a difference that follows "
        "the event or a slope across wavelengths (the choice biases the planet), sensitivity away from 1."
    ),
    "budget": (
        "Where the scatter outside the event comes from, by wavelength: variance of the light curves over that of photon and "
        "read noise (running medians). Photon, read and 1/f noise inside columns, as noise model and star-free "
        "windows have them, stacked; the line is what is measured. Wrong: the line above the stack (noise nobody accounts "
        "for), or below it (variances that are too large: gain, read noise)."
    ),
    "budget_steps": (
        "The same as bars, for the run and for the run with a step left out: what a bar is longer than the first, that step "
        "takes away (without linearity bright pixels are compressed, signal and noise alike: no gain). The diamond is the mean "
        "of all columns, in which outliers count in full. Wrong: any other step whose bar is shorter than the first (it "
        "adds noise), or a measured line far from the end of its bar."
    ),
    "budget_correlation": (
        "What is left outside the event after a straight line: correlation between columns by their distance, and between "
        "integrations by their distance in time, with the range of white noise (a straight line alone makes it a little "
        "negative in time). Wrong: neighbours that agree (crosstalk, a shared correction), a level at all distances (white "
        "light that varies more than its noise), slow decay in time (drift)."
    ),
    "budget_claimed": (
        "Claimed error of one integration and column against the scatter outside the event, and the ratio (lines: running "
        "medians). Wrong: a ratio away from 1 over many columns: errors of the planet's spectrum are then off by as much."
    ),
    "injection_spectrum": (
        "Depths that were put into the raw counts, and what the reduction gives back; below, the difference with the error of "
        "the pair of runs, which share their noise, and as a band the error that this exposure measures the depth with. "
        "Wrong: points away from zero by more than a tenth of the band (the reduction biases depths: dilution by another "
        "order, a background, 1/f)."
    ),
    "injection_drift": (
        "Trace motion that was put into the raw counts, and the motion that comes back on top of the exposure's own; below, "
        "the difference. Wrong: a slope (motion measured too small or too large), or orders that disagree."
    ),
}
