# frozen_string_literal: true

# The launcher's way in: <tt>ruby -r LIBDIR/prefork_interp/launch.rb SCRIPT</tt>. Ruby requires this file when $0 and ARGV are
# set and the script is open, but not parsed.
#
# * It makes <tt>require 'prefork_interp'</tt> in the script find this copy of the library. An entry in $LOADED_FEATURES
#   is enough; $LOAD_PATH stays as it is.
# * Fork point explicit, or no launcher: it returns, and the script runs.
# * Fork point automatic: it loads what the script requires, and returns. When Ruby has compiled the script, it serves, and
#   in each executor Ruby goes on and runs the script as ever: __FILE__, DATA, BEGIN, messages and exit status are
#   the real ones (protocol: The automatic fork point).

unless defined?(PreforkInterp)
  load "#{File.dirname(__dir__)}/prefork_interp.rb"
  $LOADED_FEATURES << 'prefork_interp.rb'
  PreforkInterp::FORK_POINT.launch
end
