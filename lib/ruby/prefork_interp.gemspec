# frozen_string_literal: true

require_relative 'lib/prefork_interp/version'

Gem::Specification.new do |spec|
  spec.name = 'prefork_interp'
  spec.version = PreforkInterp::VERSION
  spec.authors = ['The prefork-cgi authors']
  spec.summary = 'Old scripts, served warm: one start, and a fresh process for each request'
  spec.description = 'The script-side library of prefork-cgi, and of the prefork-interp program of chiark-utils: a script is ' \
                     'started once, up to a fork point, and each request runs in a process that is forked there.'
  spec.homepage = 'https://github.com/prefork-cgi/prefork-cgi'
  spec.license = 'Apache-2.0'
  spec.required_ruby_version = '>= 2.7'
  spec.files = Dir['lib/**/*.rb', 'README.md', 'CHANGELOG.md', base: __dir__]
  spec.require_paths = ['lib']
  spec.metadata['rubygems_mfa_required'] = 'true'
end
