"The version of everything that this workspace ships: images, chart, packages."

VERSION = "0.1.0"
