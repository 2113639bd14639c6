"""Files at the edge: exposures and references in, products out."""
