"""Many tasks under all faults at once: nothing lost, nothing counted twice, every result right."""
