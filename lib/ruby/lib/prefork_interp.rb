# frozen_string_literal: true

# PreforkInterp lets an old script be served warm: a launcher starts it once, up to a *fork point*, and each request is
# answered by a process that is forked there. The script sees what it would see had it been started for the request.
#
#   launcher --- starts ---> SETUP        the script, up to the fork point
#                              |
#                            SERVER       waits for requests, and for nothing else
#                              | fork     (v1: with a MONITOR in between, one per call)
#                            EXECUTOR     one per call; runs the rest of the script and ends
#
# An explicit fork point is a call of this library:
#
#   require 'prefork_interp'
#   require 'cgi'                          # paid once
#   PreforkInterp.prefork_initialisation_complete
#   print CGI.new.header                   # runs for each request, in a process of its own
#
# With an automatic fork point the launcher loads launch.rb and the script is not changed at all.
# A script that no launcher has started runs standalone: every call of this library returns at once and changes nothing.
#
# Which file has what (those behind +autoload+ are read only where they are needed):
#
#   fork_point.rb         what the script has registered, and what is done when it says that it is ready
#   handover.rb           what the launcher says in the environment
#   native.rb             the native dialect: Ctl (ctl.rb), Inbox (inbox.rb), Executors (executors.rb)
#   version1.rb           the v1 dialect: Monitor (monitor.rb), Log (log.rb)
#   executor.rb           what an executor does: Descriptors (descriptors.rb), Signals (signals.rb), Request (request.rb),
#                         Reuse (reuse.rb)
#   bell.rb               asking for more time
#   output.rb             what has been written and not sent
#   quick_end.rb          the end of an executor without Ruby's own
#   automatic.rb          the automatic fork point: Requires (requires.rb), EnvironmentWatch (environment_watch.rb),
#                         MainScript (main_script.rb), Warnings (warnings.rb)
#   system.rb             three things that Ruby cannot do by itself
#
# The behaviour is specified in docs/protocol.md of the prefork-cgi project; "protocol:" below names a section of it.
module PreforkInterp
  parts = "#{__dir__}/prefork_interp"
  autoload :VERSION, "#{parts}/version.rb"
  autoload :Automatic, "#{parts}/automatic.rb"
  autoload :Bell, "#{parts}/bell.rb"
  autoload :Ctl, "#{parts}/ctl.rb"
  autoload :Descriptors, "#{parts}/descriptors.rb"
  autoload :EnvironmentWatch, "#{parts}/environment_watch.rb"
  autoload :Executor, "#{parts}/executor.rb"
  autoload :Executors, "#{parts}/executors.rb"
  autoload :ForkPoint, "#{parts}/fork_point.rb"
  autoload :Handover, "#{parts}/handover.rb"
  autoload :Inbox, "#{parts}/inbox.rb"
  autoload :LoadedFiles, "#{parts}/loaded_files.rb"
  autoload :Log, "#{parts}/log.rb"
  autoload :MainScript, "#{parts}/main_script.rb"
  autoload :Monitor, "#{parts}/monitor.rb"
  autoload :Native, "#{parts}/native.rb"
  autoload :Output, "#{parts}/output.rb"
  autoload :QuickEnd, "#{parts}/quick_end.rb"
  autoload :Request, "#{parts}/request.rb"
  autoload :Requires, "#{parts}/requires.rb"
  autoload :Reuse, "#{parts}/reuse.rb"
  autoload :Signals, "#{parts}/signals.rb"
  autoload :System, "#{parts}/system.rb"
  autoload :Version1, "#{parts}/version1.rb"
  autoload :Warnings, "#{parts}/warnings.rb"
  autoload :Wire, "#{parts}/wire.rb"

  # Where this library's files are: they are not reported as the script's.
  FOLDER = __dir__

  # Something that the other side of a socket has said and that no correct one says.
  class ProtocolError < StandardError; end

  # The fork point of this process.
  FORK_POINT = ForkPoint.new # :nodoc:

  module_function

  # Says that setup is complete: this is the fork point. Under a launcher the call does not return in the process that
  # made it; it returns once for each request, each time in a new process, which has the request's environment,
  # arguments, standard input, output and error. Later calls, and calls in a script that runs standalone or whose fork
  # point is automatic, do nothing (protocol: The handover, v1, Native).
  #
  # max_servers::       how many executors may run at once; negative: no limit. 4 under v1 unless given; under the native
  #                     dialect the launcher's limit counts, and a value given here is told to it.
  # idle_timeout::      v1 only: seconds without a request after which the server ends; negative: never. A megasecond.
  # autoreload_inc::    +false+: loaded files ($LOADED_FEATURES) are not looked at for changes.
  # autoreload_extra::  more files whose change makes the server out of date, see prefork_autoreload_also_check.
  # max_errors::        v1 only: after how many errors in a row the server ends. 100.
  # log_facility::      v1 only: syslog facility such as <tt>"LOG_DAEMON"</tt> or <tt>"local0"</tt> for what the server
  #                     has to say, <tt>""</tt> for silence. <tt>"LOG_USER"</tt>.
  #
  # Returns +nil+. Ends the process with a message on standard error if the handover is broken. An exception raised by a
  # block given to before_fork or after_fork comes out of this call.
  def prefork_initialisation_complete(max_servers: nil, idle_timeout: 1_000_000, autoreload_inc: true,
                                      autoreload_extra: [], max_errors: 100, log_facility: 'LOG_USER')
    FORK_POINT.complete(max_servers: max_servers, idle_timeout: idle_timeout, autoreload_inc: autoreload_inc,
                        autoreload_extra: autoreload_extra, max_errors: max_errors, log_facility: log_facility)
  end

  # The fork point as the head of a loop, for a script whose process may serve more than one request:
  #
  #   while PreforkInterp.accept
  #     print CGI.new.header
  #   end
  #
  # The first call is what prefork_initialisation_complete is, with the same options. Each further call ends the request with
  # status 0 and waits for the next: environment, arguments, standard input, output and error are the new request's then;
  # the directory and the umask are those of the fork point; everything else is as the script has left it.
  #
  # Returns +true+ when there is a request, and +false+ when there will be none: the script goes on behind the loop, and
  # ends. How many requests a process serves is the launcher's to say; the rule is one. Standalone and under v1 it is
  # always one (protocol: Persistent executors).
  def accept(max_servers: nil, idle_timeout: 1_000_000, autoreload_inc: true, autoreload_extra: [], max_errors: 100,
             log_facility: 'LOG_USER')
    FORK_POINT.accept(max_servers: max_servers, idle_timeout: idle_timeout, autoreload_inc: autoreload_inc,
                      autoreload_extra: autoreload_extra, max_errors: max_errors, log_facility: log_facility)
  end

  # Names files, beside the script and what it has loaded, whose change makes the server out of date: templates and
  # configuration that setup has read. May be called any number of times, in an executor too.
  #
  # files:: paths; a relative one is taken from the current directory. A file need not exist.
  #
  # Returns +nil+. Raises TypeError for what is not a path (protocol: `file`, and v1 step 4).
  def prefork_autoreload_also_check(*files)
    FORK_POINT.also_check(files)
  end

  # Registers a block that is called once in the server, at the fork point, before the first fork: the place to close what
  # must not be shared, such as a connection to a database. An exception from it means that setup has failed.
  #
  # Returns +nil+. Raises ArgumentError without a block. Blocks are called in the order of their registration.
  def before_fork(&block)
    FORK_POINT.before_fork(&block)
  end

  # Registers a block that is called in each executor when it has its request, before the script goes on: environment,
  # arguments and standard descriptors are the request's already (protocol: What an executor does, step 8).
  #
  # Returns +nil+. Raises ArgumentError without a block. Blocks are called in the order of their registration; one
  # that is registered after the fork point is never called.
  def after_fork(&block)
    FORK_POINT.after_fork(&block)
  end

  # Asks the launcher for so many more +seconds+ from now: until then no limit on its time ends the script (prefork-cgi:
  # +first_byte_timeout+, +silence_timeout+, +run_timeout+). May be called again and again, and by a child of the script that is
  # in its process group.
  #
  # Returns whether that is granted: the administrator sets a limit, +max_extension+. +false+ standalone and under v1
  # (protocol: More time). With modules it is Object#extend.
  def self.extend(seconds, *modules)
    return super if seconds.is_a?(Module)

    FORK_POINT.extend_by(seconds)
  end

  # Registered before the script registers anything, and therefore run after all of it.
  at_exit { FORK_POINT.at_end }
end
