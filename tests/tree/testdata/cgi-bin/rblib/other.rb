module Other
  TEXT = 'from another file'.freeze
end
