"""What end-to-end tests share: the daemon as a process, and clients over plain sockets."""
