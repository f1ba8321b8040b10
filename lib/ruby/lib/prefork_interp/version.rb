# frozen_string_literal: true

module PreforkInterp
  # Version of this library. The launcher logs it; the protocol has versions of its own.
  VERSION = '0.1.0'
end
