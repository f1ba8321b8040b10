puts "Content-Type: text/plain\n\n"
