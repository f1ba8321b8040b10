$stderr.reopen($stdout)
