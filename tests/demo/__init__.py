"""The main job, shown on real parts: refused, cured, connected, an image fetched, cut, restored (`make demo`)."""
