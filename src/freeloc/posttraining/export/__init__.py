"""Export: models as files of other runtimes, which compute everything from an image to its points."""
