"""Network parts: head, pooling, loss and backbones."""

from freeloc.nn.forked_processes import use_one_thread_after_fork

use_one_thread_after_fork()
