# frozen_string_literal: true

module PreforkInterp
  # The LoadedFiles are the files of which the script is made: itself, what Ruby knows as loaded, and what the script has
  # asked to be looked at. This library's own are none of them.
  class LoadedFiles # :nodoc:
    # features:: whether $LOADED_FEATURES count
    def initialize(fork_point, features:)
      @fork_point = fork_point
      @features = features
      @known = {}
      @looked_at = nil
    end

    # Absolute paths that have not been told yet. Each is told once.
    def fresh
      return [] if @looked_at == [$LOADED_FEATURES, @fork_point.extra_files]

      @looked_at = [$LOADED_FEATURES.dup, @fork_point.extra_files.dup]
      all.reject { |path| @known[path] }.each { |path| @known[path] = true }
    end

    # Notes paths as told. Returns those that were not.
    def note(paths)
      paths.uniq.reject { |path| @known[path] }.each { |path| @known[path] = true }
    end

    # All, as absolute paths.
    def all
      loaded = @features ? $LOADED_FEATURES.select { |path| path.start_with?('/') && !own?(path) } : []
      [@fork_point.script, *@fork_point.extra_files, *loaded].uniq
    end

    # Absolute paths from which features would have been loaded, had there been a file: in the folders of the load path
    # before the one in which it was found. Ruby prefers <tt>.rb</tt> to <tt>.so</tt>.
    def missed
      return [] unless @features

      folders = $LOAD_PATH.map(&:to_s)
      all.flat_map do |path|
        home = folders.select { |folder| path.start_with?("#{folder}/") }.max_by(&:size) or next []
        name = path.delete_prefix("#{home}/")
        folders.first(folders.index(home)).flat_map { |folder| ["#{folder}/#{name}", "#{folder}/#{name.sub(/\.so\z/, '.rb')}"] }
      end.uniq
    end

    private

    def own?(path)
      path.start_with?("#{FOLDER}/prefork_interp/") || path == "#{FOLDER}/prefork_interp.rb"
    end
  end
end
