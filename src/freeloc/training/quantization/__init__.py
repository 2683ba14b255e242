"""Creation of int8 networks, which are fastest on most CPUs (`freeloc.runtime.processors`)."""
