# frozen_string_literal: true

module PreforkInterp
  # The Executors are the server's children that have not been waited for. Until then their numbers are theirs, and signals
  # reach no one else (protocol: Native).
  class Executors # :nodoc:
    # How long an executor may take to end after SIGTERM, when the launcher has gone.
    GRACE = 5
    private_constant :GRACE

    def initialize
      @pids = {}
    end

    # Forks the executor +id+. As Process.fork: +nil+ in the executor. Both make its process group, so that the group is
    # there whoever comes first. Raises SystemCallError.
    def fork(id)
      pid = Process.fork
      Process.setpgid(pid || 0, pid || 0)
      @pids[id] = pid
    rescue Errno::EACCES, Errno::ESRCH
      # It has made its group itself, and more.
      @pids[id] = pid
    end

    # Waits for the executor +id+: System::Used, or +nil+ if there is none.
    def reap(id)
      pid = @pids.delete(id) or return
      System.wait(pid)
    end

    # Ends all: SIGTERM to their groups, SIGKILL after the grace.
    def finish
      waiters = @pids.values.to_h { |pid| [pid, Process.detach(pid)] }
      @pids.each_value { |pid| signal('TERM', pid) }
      deadline = System.now + GRACE
      waiters.each_value { |waiter| waiter.join([deadline - System.now, 0].max) }
      waiters.each { |pid, waiter| signal('KILL', pid) if waiter.alive? }
    end

    private

    def signal(name, pid)
      Process.kill(name, -pid)
    rescue SystemCallError
      nil
    end
  end
end
