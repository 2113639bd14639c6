"""What is known of NIRISS/SOSS before looking: subarrays, traces, wavelengths, profiles, sky."""
