"""What a machine is: processors, caches, memory; and a catalogue of known ones."""
